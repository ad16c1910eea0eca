"""The groups behind roles get names that say nothing: their table belongs to no organisation and has no wall."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.models import F, Value
from django.db.models.functions import Concat, MD5, Cast
from django.db.models import CharField


def rename(apps: Any, _editor: Any) -> None:
    group = apps.get_model("auth", "Group")
    group.objects.filter(name__contains=":").update(
        name=Concat(Value("role "), MD5(Concat(Value("pacsweb "), Cast(F("pk"), CharField()))))
    )


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0009_email_domains"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(rename, migrations.RunPython.noop)]
