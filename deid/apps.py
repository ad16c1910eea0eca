from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeidConfig(AppConfig):
    name = "deid"
    verbose_name = _("De-identification")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core import home, navigation
        from deid import arrivals, audit_actions, doorways, notices, queries

        arrivals.register()
        audit_actions.register()
        notices.register()
        navigation.register(
            key="deidentification",
            label=_("De-identification"),
            icon="shield-check",
            url="deid:run-list",
            order=220,
            may=queries.is_concerned,
        )
        home.register(doorways.home_sections, order=20)
