from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import migrations, models
from django.utils import timezone

from core.tenancy import all_tenants

# As long as a new token lives: whoever depends on one has a quarter of a year to rotate it.
DAYS = 90


def give_an_end(apps: Any, schema_editor: Any) -> None:
    with all_tenants():
        tokens = apps.get_model("access", "ApiToken").objects.using(schema_editor.connection.alias)
        tokens.filter(expires_at=None).update(expires_at=timezone.now() + timedelta(days=DAYS))


class Migration(migrations.Migration):
    dependencies = [("access", "0006_retention")]

    operations = [
        migrations.RunPython(give_an_end, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="apitoken",
            name="expires_at",
            field=models.DateTimeField(verbose_name="expires"),
        ),
    ]
