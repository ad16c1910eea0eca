"""What happens to rights by the clock, and letters about accounts."""

from __future__ import annotations

from access import services
from access.break_glass.tasks import alert_officers
from access.models import User
from access.sign_in import addresses, mail
from access.single_sign_on import directories, domains
from core.tasks import task

__all__ = [
    "alert_officers",
    "answer_reset_request",
    "end_expired_grants",
    "send_address_proof",
    "send_password_reset",
    "tell_of_account_change",
    "tell_of_renewed_password",
]

CHANGES = frozenset(
    {"factor-added", "factor-removed", "codes-made", "recovery-code-used", "password-changed", "email-changed"}
)


@task(queue="default", installation_wide=True, time_limit_seconds=300)
def end_expired_grants() -> None:
    """Beat: end role grants whose time is over. They open nothing since that moment; this tells the trail."""
    services.end_expired_grants()


@task(installation_wide=True)
def tell_of_account_change(*, user_id: int, what: str) -> None:
    """Warn the person at their verified address; who did not do it themselves learns of it."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    address = mail.verified_address(user) if user is not None else ""
    if user is not None and address and what in CHANGES:
        mail.send(template="account_changed", to=address, user=user, context={"what": what})


@task(installation_wide=True)
def answer_reset_request(*, reference: str) -> None:
    addresses.answer_reset_request(reference=reference)


@task(installation_wide=True)
def send_password_reset(*, user_id: int) -> None:
    addresses.send_password_reset(user_id=user_id)


@task(installation_wide=True)
def tell_of_renewed_password(*, address_id: int) -> None:
    """Warn at the address that was proven until an administrator made a one-time password."""
    addresses.send_renewal_notice(address_id=address_id)


@task(installation_wide=True)
def send_address_proof(*, address_id: int) -> None:
    addresses.send_proof(address_id=address_id)


@task(time_limit_seconds=60)
def look_up_domain(*, organisation_id: int, domain_id: int) -> None:
    """Look for the DNS record by which an organisation proves an e-mail domain."""
    domains.look_up(domain_id=domain_id)


@task(queue="heavy", installation_wide=True, time_limit_seconds=60 * 60)
def look_up_domains() -> None:
    """Every night: a domain whose record stays away is proven no more."""
    domains.look_up_all()


@task(queue="heavy", installation_wide=True, time_limit_seconds=60 * 60)
def sync_directories() -> None:
    """Every night: roles as the directories say now, and an end for who is gone from them."""
    directories.sync_all()
