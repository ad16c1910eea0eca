"""Approvals that were given before they were kept for each image: a run in the middle of storing goes on with them."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import OuterRef, Subquery

from core.tenancy import all_tenants


def note_approvals(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    with all_tenants():
        runs = apps.get_model("deid", "DeidentificationRun").objects.using(using)
        approved = runs.filter(decided_by__isnull=False).exclude(state="rejected")
        own = runs.filter(pk=OuterRef("run"))
        images = apps.get_model("deid", "DeidentifiedInstance").objects.using(using)
        images.filter(run__in=approved.order_by()).exclude(verdict="held-back").update(
            approved_by=Subquery(own.values("decided_by")[:1]), approved_at=Subquery(own.values("decided_at")[:1])
        )


class Migration(migrations.Migration):
    dependencies = [("deid", "0004_approval_of_each_image")]
    operations = [migrations.RunPython(note_approvals, migrations.RunPython.noop)]
