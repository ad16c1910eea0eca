from __future__ import annotations

from core.tasks import task
from dimse import refusals


@task(installation_wide=True)
def forget_old_refusals() -> None:
    """Beat: what was not tried again for a quarter of a year needs nobody's attention."""
    refusals.sweep()
