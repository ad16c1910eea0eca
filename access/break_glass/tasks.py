from __future__ import annotations

from smtplib import SMTPException

from access.break_glass import services
from core.errors import RetriableError
from core.tasks import task


@task()
def alert_officers(*, organisation_id: int, break_glass_id: int) -> None:
    """Mail the officers; the home page tells them in any case. May write twice rather than never."""
    try:
        services.send_alert(break_glass_id=break_glass_id)
    except (SMTPException, OSError) as error:
        raise RetriableError from error
