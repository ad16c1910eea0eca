from __future__ import annotations

from typing import Any

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# The database's clock, whatever the statement says. The function names everything it uses: it runs with the caller's path.
CLOCK = """
CREATE FUNCTION audit_note_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.recorded_at := pg_catalog.clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_event_recorded BEFORE INSERT ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_note_time();
"""
NO_CLOCK = """
DROP TRIGGER audit_event_recorded ON audit_event;
DROP FUNCTION audit_note_time();
"""


class Migration(migrations.Migration):
    # The index is built beside running work, which no transaction may hold.
    atomic = False

    dependencies = [("audit", "0003_whole_statements")]

    operations: list[Any] = [
        migrations.AddField("event", "recorded_at", models.DateTimeField(editable=False, null=True)),
        migrations.AddField(
            "event",
            "studies",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=64), blank=True, default=list, size=None
            ),
        ),
        migrations.AddField("event", "place", models.CharField(blank=True, default="", max_length=150), False),
        migrations.AddField("event", "search", models.TextField(blank=True, default=""), False),
        migrations.AddField("event", "stamp", models.BinaryField(editable=False, max_length=32, null=True)),
        # Every link that is there is of the first form; new ones are of the second.
        migrations.AddField("chainlink", "form", models.SmallIntegerField(default=1), False),
        migrations.AlterField("chainlink", "form", models.SmallIntegerField(default=2)),
        migrations.RunSQL(sql=CLOCK, reverse_sql=NO_CLOCK),
        AddIndexConcurrently(
            "event", django.contrib.postgres.indexes.GinIndex(fields=["studies"], name="audit_event_studies")
        ),
    ]
