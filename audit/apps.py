from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Audit")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from access import hooks, rights
        from audit import actions, checks, signals  # noqa: F401 -- importing checks registers them
        from audit import home as officer_home
        from audit.permissions import VIEW_AUDIT
        from core import guides, home, navigation

        guides.recommend(place="audit", guide="officer", order=15)
        navigation.register(
            key="audit",
            label=_("Audit"),
            icon="scroll-text",
            url="audit:event-list",
            order=800,
            go="a",
            may=lambda request: rights.holds(request, VIEW_AUDIT),
        )
        home.register_figures(officer_home.figures, order=40)
        home.register(officer_home.refusals, order=40)
        actions.register_own()
        hooks.on_act(signals.record_access_act)
        signals.connect()
