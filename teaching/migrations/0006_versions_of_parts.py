from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("teaching", "0005_pin_published_images")]

    operations = [
        migrations.AddField(
            model_name="case",
            name="field_versions",
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
        migrations.AddField(
            model_name="casesection",
            name="version",
            field=models.PositiveIntegerField(default=1, editable=False),
        ),
        migrations.AddField(
            model_name="question",
            name="version",
            field=models.PositiveIntegerField(default=1, editable=False),
        ),
        migrations.AddField(
            model_name="caserevision",
            name="editor",
            field=models.CharField(blank=True, default="", editable=False, max_length=40),
        ),
    ]
