"""What a session that began by an organisation's sign-on may open: that organisation.

An account is one for all organisations, but a provider is trusted by one alone. Whoever controls it could sign in as any
of its people; so such a session enters no other organisation and does not administer the installation. Unless the
account was made by that organisation (which can renew its password anyway), it neither reads nor changes the account
either: names, addresses, sessions, tokens, other memberships and what is shared with it need a proof of the person's
own. Proving to be there by an own password, code or passkey frees the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from allauth.usersessions.models import UserSession
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from access.models import User
from access.people import is_at_home
from access.sign_in.session_store import stored_key
from access.single_sign_on.models import IdentityProvider, SignOn

SESSION_KEY = "sign_on"
ROW_KEY = "sign_on"
ROW_SUBJECT = "sign_on_subject"
ROW_SESSION = "sign_on_session"


@dataclass(frozen=True)
class Binding:
    organisation_id: int
    slug: str
    sign_on: str
    is_home: bool
    proved_second_factor: bool
    # What the provider's sign-out asks for, sealed; empty when there is none.
    sealed_hint: str = ""


def bind(
    *,
    request: HttpRequest,
    user: User,
    sign_on: SignOn,
    proved_second_factor: bool,
    sealed_hint: str = "",
    subject: str = "",
    session_there: str = "",
) -> None:
    """`subject` and `session_there` (`sid`) are what the provider calls the person and its own session."""
    organisation = sign_on.organisation
    request.session[SESSION_KEY] = {
        "organisation_id": organisation.pk,
        "slug": organisation.slug,
        "sign_on": sign_on.public_id,
        "is_home": is_at_home(user=user, organisation=organisation),
        "proved_second_factor": proved_second_factor,
        "sealed_hint": sealed_hint if isinstance(sign_on, IdentityProvider) else "",
    }
    row = UserSession.objects.filter(session_key=stored_key(request.session.session_key)).first()
    if row is not None:
        row.data = {
            **row.data,
            ROW_KEY: sign_on.public_id,
            ROW_SUBJECT: subject,
            ROW_SESSION: session_there,
        }
        row.save(update_fields=["data"])


def of(request: Any) -> Binding | None:
    session = getattr(request, "session", None)
    kept = session.get(SESSION_KEY) if session is not None else None
    return Binding(**kept) if kept else None


def free(request: HttpRequest) -> None:
    """The person proved to be there by something of their own."""
    request.session.pop(SESSION_KEY, None)


def is_foreign(request: Any) -> bool:
    """Whether the session was opened by an organisation that did not make the account."""
    found = of(request)
    return found is not None and not found.is_home


def foreign_organisation(request: Any) -> int | None:
    """The organisation that a foreign session is limited to, by primary key."""
    found = of(request)
    return found.organisation_id if found is not None and not found.is_home else None


def opens(request: Any, *, organisation_id: int) -> bool:
    found = of(request)
    return found is None or found.organisation_id == organisation_id


def has_second_factor_for(request: Any, *, organisation_id: int) -> bool:
    found = of(request)
    return found is not None and found.proved_second_factor and found.organisation_id == organisation_id


def rows_of(sign_on: SignOn) -> QuerySet[UserSession]:
    """The open sessions that began by it."""
    return UserSession.objects.filter(**{f"data__{ROW_KEY}": sign_on.public_id})


def session_keys(sign_on: SignOn) -> list[str]:
    return list(rows_of(sign_on).values_list("session_key", flat=True))


def rows_meant(sign_on: SignOn, *, subject: str, session_there: str) -> QuerySet[UserSession]:
    """The open sessions that a provider means by a person, by one of its own sessions, or by both.

    Where both are named, a session of that person of which the provider never said to which of its own it belongs is
    meant too: it may be the one.
    """
    rows = rows_of(sign_on)
    if subject:
        rows = rows.filter(**{f"data__{ROW_SUBJECT}": subject})
    if session_there:
        known = Q(**{f"data__{ROW_SESSION}": session_there})
        rows = rows.filter(known | Q(**{f"data__{ROW_SESSION}": ""}) if subject else known)
    return rows if subject or session_there else rows.none()
