from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Audit")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from access import hooks
        from audit import actions, signals

        actions.register_own()
        hooks.on_act(signals.record_access_act)
        signals.connect()
