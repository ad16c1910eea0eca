from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PracticeConfig(AppConfig):
    name = "practice"
    verbose_name = _("Practice")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from core import guides, home, navigation, palette
        from practice import audit_actions, doorways, notices, permissions
        from practice.results import Results
        from teaching import hooks as teaching_hooks
        from viewer import hooks as viewer_hooks

        audit_actions.register()
        notices.register()
        permissions.register()
        teaching_hooks.register_results(Results())
        viewer_hooks.on_view_events("attempt", doorways.hear_looks)
        navigation.register(
            key="practice",
            label=_("Practice"),
            icon="graduation-cap",
            url="practice:home",
            order=210,
            go="p",
            may=doorways.may_practise,
            count=doorways.waiting,
        )
        home.register(doorways.learner_sections, order=10)
        guides.recommend(place="practice", guide="trainee", order=30)
        home.register(doorways.educator_sections, order=31)
        home.register_figures(doorways.learner_figures, order=10)
        palette.register(key="unknowns", label=_("Cases to read"), find=doorways.find_unknowns, order=31)
