"""Each study keeps the patient's name, birth date and sex of its own header.

The columns are added without rewriting the table, filled from what the index already keeps of each header in batches of
their own transactions, and the index is built beside running services: nothing waits for more than one batch.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models, transaction

from archive.domain.header import plain_date, plain_time
from archive.domain.text import fold
from core.tenancy import all_tenants

BATCH = 1000


def fill(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    study_model = apps.get_model("archive", "Study")
    with all_tenants():
        last = 0
        while True:
            with transaction.atomic(using=alias):
                rows = list(
                    study_model.objects.using(alias)
                    .filter(pk__gt=last)
                    .order_by("pk")
                    .only("attributes", "study_date", "study_time")
                    .select_for_update()[:BATCH]
                )
                if not rows:
                    return
                for row in rows:
                    _take(row)
                study_model.objects.using(alias).bulk_update(
                    rows, ["patient_name", "search_name", "birth_date", "sex", "study_date", "study_time"]
                )
                last = rows[-1].pk


def _take(row: Any) -> None:
    name = _first(row.attributes, "00100010") or {}
    groups = [name.get(label, "") for label in ("Alphabetic", "Ideographic", "Phonetic")]
    row.patient_name = "=".join(groups).rstrip("=")[:324]
    row.search_name = fold(row.patient_name)[:400]
    row.birth_date = plain_date(str(_first(row.attributes, "00100030") or ""))[:8]
    row.sex = str(_first(row.attributes, "00100040") or "")[:16]
    # Dates and times of ACR-NEMA (2004.01.19, 12:30:10) are searched as DICOM writes them.
    row.study_date = plain_date(str(_first(row.attributes, "00080020") or row.study_date))[:8]
    row.study_time = plain_time(str(_first(row.attributes, "00080030") or row.study_time))[:16]


def _first(attributes: dict[str, Any], tag: str) -> Any:
    values = attributes.get(tag, {}).get("Value") or [None]
    return values[0]


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("archive", "0007_instance_notes")]

    operations = [
        migrations.AddField(
            model_name="study",
            name="patient_name",
            field=models.CharField(blank=True, db_default="", max_length=324),
        ),
        migrations.AddField(
            model_name="study",
            name="search_name",
            field=models.CharField(blank=True, db_default="", max_length=400),
        ),
        migrations.AddField(
            model_name="study",
            name="birth_date",
            field=models.CharField(blank=True, db_default="", max_length=8),
        ),
        migrations.AddField(
            model_name="study",
            name="sex",
            field=models.CharField(blank=True, db_default="", max_length=16),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="study",
            index=GinIndex(OpClass("search_name", name="gin_trgm_ops"), name="study_search_name"),
        ),
    ]
