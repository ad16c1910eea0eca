from __future__ import annotations

from django.apps import AppConfig


class PacswebConfig(AppConfig):
    """The roof as an app: it has no tables, only commands."""

    name = "pacsweb"
    verbose_name = "PACSWeb"

    def ready(self) -> None:
        # Tasks are sent by whatever Celery application is current: without this, web, commands and listeners would
        # send to Celery's own default broker.
        from core import wall
        from pacsweb import celery  # noqa: F401
        from pacsweb.opened_trail import opened_trail

        wall.register_owner(opened_trail)
