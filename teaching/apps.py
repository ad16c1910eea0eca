from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TeachingConfig(AppConfig):
    name = "teaching"
    verbose_name = _("Teaching")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from archive import hooks as archive_hooks
        from core import guides, home, navigation, palette
        from deid import hooks as deid_hooks
        from teaching import audit_actions, doorways, notices, permissions, sharing
        from teaching.services import arrivals
        from teaching.services.making import holds_decided, run_completed
        from teaching.views.lists import find_in_palette
        from viewer import hooks as viewer_hooks

        audit_actions.register()
        notices.register()
        permissions.register()
        sharing.register()
        archive_hooks.on_study_settled(arrivals.study_settled)
        deid_hooks.on_run_completed(run_completed)
        deid_hooks.on_holds_decided(holds_decided)
        viewer_hooks.register_action("make-case", doorways.make_case_action, order=10)
        navigation.register(
            key="teaching",
            label=_("Teaching"),
            icon="book-open",
            url="teaching:home",
            order=200,
            go="t",
            may=doorways.may_teach,
            count=doorways.reviews_waiting,
        )
        home.register(doorways.home_sections, order=30)
        guides.recommend(place="teaching", guide="educator", order=20)
        palette.register(key="cases", label=_("Cases"), find=find_in_palette, order=30)
