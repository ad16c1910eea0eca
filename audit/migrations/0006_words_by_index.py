from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    # The indexes are built beside running work, which no transaction may hold.
    atomic = False

    dependencies = [("audit", "0005_numbers_by_the_database")]

    operations: list[Any] = [
        # Others need it too, so going back does not drop it.
        migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS pg_trgm", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "event", GinIndex(OpClass("search", name="gin_trgm_ops"), name="audit_event_search_words")
        ),
        AddIndexConcurrently("event", models.Index(fields=["organisation", "place"], name="audit_event_place")),
        AddIndexConcurrently(
            "event",
            models.Index(fields=["organisation"], condition=Q(search=""), name="audit_event_without_words"),
        ),
    ]
