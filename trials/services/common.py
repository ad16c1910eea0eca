"""What the parts of the write side share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from access import sight
from access.queries import people_with_role
from audit.services import record
from core.errors import Invalid
from trials.errors import Closed
from trials.models import Site, Trial

REASON_LENGTH = 300


def validate(row: models.Model) -> None:
    """The model's own rules as an `Invalid` with its fields. What the database alone can decide is left to it."""
    _check_texts(row)
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error


def _check_texts(row: models.Model) -> None:
    """What Django leaves to forms: that text is text, can be stored, and has its length."""
    wrong: dict[str, list[str]] = {}
    for field in row._meta.concrete_fields:
        if not isinstance(field, models.CharField | models.TextField):
            continue
        value = getattr(row, field.attname)
        if not isinstance(value, str):
            wrong[field.name] = [_("Text was expected.")]
        elif any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in value):
            wrong[field.name] = [_("There is a character that cannot be stored.")]
        elif isinstance(field, models.TextField) and field.max_length and len(value) > field.max_length:
            wrong[field.name] = [_("At most %(n)s characters.") % {"n": field.max_length}]
    if wrong:
        raise Invalid(fields=wrong)


def save(row: models.Model, *, taken: str, words: str) -> None:
    """Keep a validated row; `words` stand at the field `taken` when the database knows the value already."""
    validate(row)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise Invalid(fields={taken: [words]}) from error


def change(row: models.Model, *, changes: Mapping[str, Any], among: Sequence[str]) -> list[str]:
    """Set what differs; returns the names of the fields that do. Raises `Invalid` for a field that is not among them."""
    unknown = sorted(set(changes) - set(among))
    if unknown:
        raise Invalid(fields={name: [_("This cannot be changed.")] for name in unknown})
    differing = [name for name, value in changes.items() if getattr(row, name) != value]
    for name in differing:
        setattr(row, name, changes[name])
    return differing


def reason_of(words: str) -> str:
    """A reason, trimmed. Raises `Invalid` without one."""
    reason = words.replace("\x00", "").strip() if isinstance(words, str) else ""
    if not reason:
        raise Invalid(fields={"reason": [_("Say why in a few words.")]})
    if len(reason) > REASON_LENGTH:
        raise Invalid(
            fields={
                "reason": [
                    _("At most %(most)s characters; this has %(n)s.") % {"most": REASON_LENGTH, "n": len(reason)}
                ]
            }
        )
    return reason


def require_open(*, trial: Trial, site: Site | None = None) -> None:
    """Raises `Closed`. Asks the database: the row in hand may be older."""
    if Trial.objects.filter(pk=trial.pk, closed_at=None).first() is None:
        raise Closed
    if site is not None and not Site.objects.filter(pk=site.pk, closed_at=None).exists():
        raise Closed


def sight_changed(*sites: Site) -> None:
    """What doors remember of the staff's sight of single studies ends when the change is kept."""
    people = {pk for site in sites for pk in people_with_role(container=site).values_list("pk", flat=True)}
    transaction.on_commit(lambda: sight.forget(*people))


def tell(
    *, action: str, trial: Trial, target: Any, actor: Any, request: Any, detail: Mapping[str, Any] | None = None
) -> None:
    record(
        action=action,
        organisation=trial.organisation,
        actor=actor,
        target=target,
        detail={"trial": trial.slug, **(detail or {})},
        request=request,
    )
