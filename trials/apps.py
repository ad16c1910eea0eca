from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TrialsConfig(AppConfig):
    name = "trials"
    verbose_name = _("Trials")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from access import hooks
        from archive import hooks as archive_hooks
        from core import guides, home, navigation, palette
        from trials import audit_actions, doorways, notices, permissions, queries, services

        audit_actions.register()
        notices.register()
        permissions.register()
        archive_hooks.on_study_settled(services.study_settled)
        archive_hooks.register_guard(services.held_at_the_door)
        archive_hooks.register_stewards(queries.stewards)
        # Nothing on these pages is anybody's own.
        hooks.register_viewable("trials:*")
        navigation.register(
            key="trials",
            label=_("Trials"),
            icon="flask-conical",
            url="trials:home",
            order=220,
            go="r",
            may=doorways.has_trials,
        )
        home.register(doorways.waiting, order=40)
        guides.recommend(place="trials", guide="trials", order=30)
        palette.register(key="trials", label=_("Trials"), find=doorways.find_in_palette, order=35)
