"""Mail about accounts. Tasks get ids; addresses and links are made where the mail is sent."""

from __future__ import annotations

from email.headerregistry import Address
from typing import Any

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation

from access.models import User
from core.errors import RetriableError

logger = structlog.get_logger(__name__)


def verified_address(user: User) -> str:
    """Where the person proved to read mail; empty when nowhere."""
    found = EmailAddress.objects.filter(user=user, verified=True).order_by("-primary", "pk").first()
    return found.email if found else ""


def tell_later(*, user: User, what: str) -> None:
    """Tell a person of a change to their account, once the transaction commits."""
    from access.tasks import tell_of_account_change

    tell_of_account_change.enqueue(user_id=user.pk, what=what)


def send(*, template: str, to: str, user: User | None, context: dict[str, Any]) -> None:
    """Render `account/mail/<template>.txt` (first line: the subject) and send it. Raises `RetriableError`."""
    language = user.language if user is not None else settings.LANGUAGE_CODE
    with translation.override(language):
        text = render_to_string(
            f"account/mail/{template}.txt", {"person": user, "site": settings.PUBLIC_URL, **context}
        ).strip()
    subject, _newline, body = text.partition("\n")
    message = EmailMessage(subject=" ".join(subject.split()), body=body.strip() + "\n", to=[str(Address(addr_spec=to))])
    # Neither an out-of-office answer nor a loop of robots.
    message.extra_headers = {"Auto-Submitted": "auto-generated"}
    try:
        message.send()
    except OSError as error:
        # smtplib's errors are OSErrors too; they may hold the address, so only their kind is logged.
        logger.warning("mail_not_sent", template=template, error=type(error).__name__)
        raise RetriableError from None
