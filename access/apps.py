from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccessConfig(AppConfig):
    name = "access"
    verbose_name = _("Access")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from access import (
            checks,  # noqa: F401 -- the same
            hooks,
            job_rights,
            schema,  # noqa: F401 -- importing registers it
            shell,
        )
        from access.break_glass.queries import explain
        from access.role_upkeep import renew_roles
        from access.services import inviters
        from access.sharing import endings
        from access.sign_in import signals
        from access.single_sign_on import shell as single_sign_on

        hooks.register_explainer(explain)
        hooks.on_rights_lost(inviters.end_of_inviter)
        endings.register()
        job_rights.register()
        post_migrate.connect(renew_roles, dispatch_uid="access.renew_roles")
        shell.register()
        signals.connect()
        single_sign_on.register()
        hooks.register_viewable("access:view-as", "access:front-door", "core:design")
