"""A row of any model, made from its fields: tests that must hold for every tenant table ask for one of each."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils import timezone

from access.models import ContainerRole, Organisation, User
from core import wall
from core.tenancy import all_tenants
from tests.access.factories import make_organisation, make_user

_numbers = itertools.count(1)

#: What the database demands beyond types, by "table.column".
PARTICULAR: dict[str, Any] = {
    # A source of images is one thing: here the command line, which is neither a title nor a person.
    "archive_intakesource.kind": "import",
    "archive_intakesource.calling_ae_title": "",
    "archive_intakesource.network": "",
    "archive_intakesource.user_id": None,
}
#: References that may be empty, but of which the database demands one.
WANTED = frozenset({"access_rolerule.provider_id"})


@dataclass
class Rows:
    """One row of each tenant table, all of one organisation."""

    organisation: Organisation
    made: dict[str, models.Model] = field(default_factory=dict)

    @classmethod
    def of_everything(cls) -> Rows:
        rows = cls(organisation=make_organisation())
        with all_tenants():
            for model in tenant_models():
                rows.row_of(model)
        return rows

    def row_of(self, model: type[models.Model]) -> models.Model:
        table = model._meta.db_table
        if table not in self.made:
            values = {
                column.attname: self._value(column)
                for column in model._meta.concrete_fields
                if not isinstance(column, models.AutoField) and not getattr(column, "generated", False)
            }
            (self.made[table],) = model._base_manager.bulk_create([model(**values)])
        return self.made[table]

    def _value(self, column: Any) -> Any:
        name = f"{column.model._meta.db_table}.{column.column}"
        if name in PARTICULAR:
            return PARTICULAR[name]
        if isinstance(column, models.ForeignKey):
            return self._reference(column)
        if column.has_default():
            return column.get_default()
        if column.null:
            return None
        if column.choices:
            return column.flatchoices[0][0]
        return _plain(column)

    def _reference(self, column: Any) -> Any:
        name = f"{column.model._meta.db_table}.{column.column}"
        target = column.related_model
        if target is Organisation:
            return self.organisation.pk
        if target is User:
            return make_user().pk
        if target is Group:
            if column.model is ContainerRole:
                return Group.objects.create(name=f"group {next(_numbers)}").pk
            return self.row_of(ContainerRole).group_id  # type: ignore[attr-defined]
        if target in (Permission, ContentType):
            return target.objects.order_by("pk").values_list("pk", flat=True)[0]
        if column.null and name not in WANTED:
            return None
        if wall.policy_for(target) is None:
            raise LookupError(f"{column} points to {target}, for which no row is known to be made here")
        return self.row_of(target).pk


def tenant_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models(include_auto_created=True) if wall.policy_for(model) is not None]


def _plain(column: Any) -> Any:
    number = next(_numbers)
    kinds: dict[type[models.Field], Any] = {
        ArrayField: [],
        models.JSONField: {},
        models.UUIDField: uuid.uuid4(),
        models.BinaryField: b"\x00" * 32,
        models.BooleanField: False,
        models.DateTimeField: timezone.now(),
        models.DateField: dt.date(2026, 1, 31),
        models.TimeField: dt.time(10, 15),
        models.DurationField: dt.timedelta(minutes=1),
        models.DecimalField: Decimal(1),
        models.FloatField: 1.0,
        models.GenericIPAddressField: "127.0.0.1",
        SearchVectorField: None,
    }
    for kind, value in kinds.items():
        if isinstance(column, kind):
            return value
    if isinstance(column, models.IntegerField):
        return number
    if isinstance(column, models.CharField | models.TextField):
        text = f"x{number}"
        return text[: column.max_length] if column.max_length else text
    raise LookupError(f"{column}: no value of a {type(column).__name__} is known to be made here")
