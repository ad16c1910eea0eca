from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ViewerConfig(AppConfig):
    name = "viewer"
    verbose_name = _("Viewer")

    def ready(self) -> None:
        from audit import actions
        from viewer import album_sharing, sharing

        sharing.register()
        album_sharing.register()

        actions.register(
            "viewer.opened", _("{actor} opened {target} in the viewer"), event_type=actions.INSTANCES_ACCESSED
        )
        actions.register(
            "viewer.series_viewed",
            _("{actor} looked at series {series} of {target}"),
            event_type=actions.INSTANCES_ACCESSED,
        )
        actions.register("viewer.marks_saved", _("{actor} saved marks on {target}"), event_type=actions.PATIENT_RECORD)
        actions.register(
            "viewer.marks_shared",
            _("{actor} changed who sees the marks on {target}"),
            event_type=actions.PATIENT_RECORD,
        )
