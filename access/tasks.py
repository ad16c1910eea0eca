"""What happens to rights by the clock."""

from __future__ import annotations

from access import services
from core.tasks import task


@task(queue="default", installation_wide=True, time_limit_seconds=300)
def end_expired_grants() -> None:
    """Beat: end role grants whose time is over. They open nothing since that moment; this tells the trail."""
    services.end_expired_grants()
