"""Indexes by which the list of a large archive opens. Made beside running services: no table is locked meanwhile."""

from __future__ import annotations

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("archive", "0005_albums"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="study",
            index=models.Index(fields=["archive", "-last_received_at", "-id"], name="study_newest"),
        ),
        AddIndexConcurrently(
            model_name="study",
            index=models.Index(
                fields=["archive", "settled_at"],
                condition=models.Q(("settled_at__isnull", False)),
                name="study_settled",
            ),
        ),
        AddIndexConcurrently(
            model_name="series",
            index=models.Index(fields=["archive", "modality"], name="series_modality"),
        ),
        AddIndexConcurrently(
            model_name="series",
            index=models.Index(fields=["archive", "body_part"], name="series_body_part"),
        ),
        RemoveIndexConcurrently(
            model_name="study",
            name="archive_stu_archive_231487_idx",
        ),
    ]
