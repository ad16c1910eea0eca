"""The shell's own regular work."""

from __future__ import annotations

from core import notifications
from core.tasks import task


@task(installation_wide=True)
def forget_old_notifications() -> None:
    """Notifications are news, not a record: they go after half a year."""
    notifications.sweep()
