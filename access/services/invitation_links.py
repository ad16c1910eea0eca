"""The two links of an invitation, and the letter that carries one of them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from access.models import Invitation
from access.services.tokens import token_digest

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Link:
    """An invitation with the addresses that open it, which exist only now.

    `letter_url` goes into the letter and nowhere else: it proves the e-mail address. `url` is for the inviter to hand
    over when the letter does not arrive; it opens the same invitation and proves nothing.
    """

    invitation: Invitation
    url: str
    letter_url: str


@dataclass(frozen=True)
class Secrets:
    """The secrets of a new pair of links, of which only the digests are kept."""

    letter: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    handed: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def digests(self) -> dict[str, str]:
        return {"digest": token_digest(self.letter), "handed_digest": token_digest(self.handed)}

    def link(self, invitation: Invitation) -> Link:
        return Link(invitation=invitation, url=_address(self.handed), letter_url=_address(self.letter))


def _address(secret: str) -> str:
    return settings.PUBLIC_URL + reverse("access:invitation-open", kwargs={"secret": secret})


def send(link: Link) -> None:
    invitation = link.invitation
    organisation = invitation.organisation
    # A line break in a name must not become a header of the message.
    subject = " ".join((_("You are invited to %(name)s") % {"name": organisation.name}).split())
    body = render_to_string(
        "access/mail/invitation.txt",
        {
            "invitation": invitation,
            "organisation": organisation,
            "url": link.letter_url,
            "public_url": settings.PUBLIC_URL,
        },
    )
    try:
        send_mail(subject, body, None, [invitation.email])
    except Exception as error:  # noqa: BLE001 -- the link is shown to the administrator, who can hand it over
        logger.warning("invitation_not_sent", kind=type(error).__name__, invitation=invitation.public_id)
