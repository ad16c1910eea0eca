from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "core"
    verbose_name = _("Core")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core import cleaning, navigation, notifications  # noqa: F401 -- workers learn of the tasks

        navigation.register(key="home", label=_("Home"), icon="house", url="core:home", order=0, go="h")
        navigation.register(key="jobs", label=_("Jobs"), icon="list-checks", url="core:jobs", order=800, go="j")
        notifications.register(
            kind="job.succeeded", label=_("Jobs"), icon="circle-check", sentence=_("Done: %(title)s"), tone="pass"
        )
        notifications.register(
            kind="job.failed", label=_("Jobs"), icon="circle-x", sentence=_("Failed: %(title)s"), tone="fail"
        )
