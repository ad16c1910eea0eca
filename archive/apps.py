from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class ArchiveConfig(AppConfig):
    name = "archive"
    verbose_name = _("Archive")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from access import hooks, usage
        from archive import audit_actions, break_glass, decoding, quota, shell
        from archive.albums import shell as album_shell
        from archive.intake import notices
        from archive.services import export
        from core import jobs

        decoding.limit_memory(settings.IMAGE_MEMORY_BYTES)
        break_glass.register()
        audit_actions.register()
        shell.register()
        notices.register()
        album_shell.register()
        usage.register_storage(quota.used_bytes)
        jobs.register_forgetting(kind="archive.export", forget=export.forget_export)
        hooks.register_viewable(
            "archive:archive-list", "archive:archive", "archive:study-list", "archive:study", "archive:thumbnail"
        )
