from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("Core")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Importing checks and cleaning registers the checks and the tasks.
        from core import checks, cleaning, guides, navigation, notifications, palette  # noqa: F401

        post_migrate.connect(_raise_walls, sender=self, dispatch_uid="core.walls")

        navigation.register(key="home", label=_("Home"), icon="house", url="core:home", order=0, go="h")
        navigation.register(key="jobs", label=_("Jobs"), icon="list-checks", url="core:jobs", order=800, go="j")
        palette.register(key="guides", label=_("Guides"), find=guides.find_in_palette, order=120, at_least=3)
        guides.recommend(place="administration", guide="operations", order=10)
        notifications.register(
            kind="job.succeeded", label=_("Jobs"), icon="circle-check", sentence=_("Done: %(title)s"), tone="pass"
        )
        notifications.register(
            kind="job.failed", label=_("Jobs"), icon="circle-x", sentence=_("Failed: %(title)s"), tone="fail"
        )


def _raise_walls(*, using: str, **_signal: Any) -> None:
    """Once a `migrate`, when all its tables are there: a new tenant table has its wall in the same run."""
    from core import wall

    if connections[using].vendor == "postgresql":
        wall.raise_walls(connections[using])
        wall.tell_slow_searches(connections[using])
