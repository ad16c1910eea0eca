"""What the REST views of trials share: the trial of the address, and input that is refused field by field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request

from access.models import User
from core.errors import Forbidden, Invalid, NotFound
from trials.models import Site, Subject, Trial
from trials.permissions import VIEW
from trials.views.common import Rights, load_site, load_subject, load_trial


class TrialMixin:
    """Loads what the address names, as the pages do. Raises `NotFound` or `Forbidden`."""

    request: Any
    kwargs: dict[str, Any]

    @property
    def is_schema(self) -> bool:
        return bool(getattr(self, "swagger_fake_view", False))

    @property
    def actor(self) -> User:
        user = self.request.user
        if not isinstance(user, User):
            raise NotFound
        return user

    def get_trial(self, permission: str = VIEW) -> Trial:
        return load_trial(self.request, self.kwargs["trial"], permission)

    def get_unblinded(self) -> Trial:
        """The trial, for who sees sites and subjects of it."""
        trial = self.get_trial()
        if not Rights(user=self.actor, trial=trial).sees_sites:
            raise Forbidden(_("You read blinded in this trial: its sites and subjects are not shown to you."))
        return trial

    def get_site(self, trial: Trial) -> Site:
        return load_site(self.request, trial, self.kwargs["site"])

    def get_subject(self, trial: Trial) -> Subject:
        return load_subject(self.request, trial, self.kwargs["subject"])


def wanted(request: Request, serializer: type[serializers.BaseSerializer[Any]], *, partial: bool = False) -> Any:
    """The body as a mapping of known fields. Raises `Invalid` with the fields that are not right."""
    body = request.data
    if not isinstance(body, dict):
        raise Invalid(_("An object was expected."))
    data: Any = serializer(data=body, partial=partial)
    wrong: dict[str, Sequence[Any]] = {
        name: [_("There is no such field to be set.")]
        for name in sorted(map(str, body))
        if name not in data.fields or data.fields[name].read_only
    }
    if not data.is_valid():
        wrong |= data.errors
    if wrong:
        raise Invalid(fields=wrong)
    return dict(data.validated_data)


class Text(serializers.CharField):
    """Text and nothing else: a number that were taken for it would have lost its leading zeros."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)
