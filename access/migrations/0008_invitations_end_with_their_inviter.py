from __future__ import annotations

from typing import Any

import django.db.models.functions
from django.db import migrations, models
from django.db.models import Q

from core.tenancy import all_tenants


def part_the_links(apps: Any, schema_editor: Any) -> None:
    """Until now one link was both sent and shown. It goes on working, and proves no address any more."""
    with all_tenants(), schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "UPDATE access_invitation SET handed_digest = digest, digest = 'none:' || id WHERE handed_digest IS NULL"
        )


class Migration(migrations.Migration):
    dependencies = [("access", "0007_every_token_ends")]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="handed_digest",
            field=models.CharField(editable=False, max_length=64, null=True, unique=True),
        ),
        migrations.AddField(
            model_name="invitation",
            name="ended_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="invitation",
            name="end_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("inviter", "Who invited may no longer invite people"),
                    ("suspension", "The organisation was suspended"),
                ],
                max_length=12,
            ),
        ),
        migrations.RemoveConstraint(model_name="invitation", name="one_open_invitation_per_address"),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                models.F("organisation"),
                django.db.models.functions.Lower("email"),
                condition=Q(accepted_at=None, ended_at=None, withdrawn_at=None),
                name="one_open_invitation_per_address",
            ),
        ),
        migrations.RunPython(part_the_links, migrations.RunPython.noop),
    ]
