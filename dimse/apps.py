from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DimseConfig(AppConfig):
    name = "dimse"
    verbose_name = _("DICOM network")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_delete, post_save

        from archive.models import Archive
        from audit import actions
        from dimse import directory, services

        services.register_own()
        actions.register(
            "association.ended",
            _("{calling_ae_title} had an association with {called_ae_title}: {stored} taken, {refused} refused"),
            event_type=actions.NETWORK_ENTRY,
        )
        actions.register(
            "association.refused",
            _("{calling_ae_title} was refused an association with {called_ae_title}: {reason}"),
            event_type=actions.SECURITY_ALERT,
        )
        actions.register(
            "archive.caller_allowed",
            _("{actor} let the refused caller {calling_ae_title} ({address}) in to the archive {target}"),
            event_type=actions.SECURITY_ALERT,
        )
        post_save.connect(directory.archives_changed, sender=Archive, dispatch_uid="dimse-directory-save")
        post_delete.connect(directory.archives_changed, sender=Archive, dispatch_uid="dimse-directory-delete")
