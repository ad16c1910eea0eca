"""The vocabulary of the trail: every action has a code, a sentence and a DICOM event type before it can be recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Action:
    """A kind of act.

    `sentence` takes {actor}, {target} and the keys of the event's detail; `event_type` is a code of PS3.16 CID 400
    (DCM), the vocabulary of PS3.15 A.5 audit messages.
    """

    code: str
    sentence: Any
    event_type: str


_actions: dict[str, Action] = {}


def register(code: str, sentence: Any, *, event_type: str) -> None:
    """Declare an action, in `AppConfig.ready` of the app that performs it."""
    _actions[code] = Action(code=code, sentence=sentence, event_type=event_type)


def get(code: str) -> Action:
    """The action behind a code; an undeclared one is a programming error."""
    try:
        return _actions[code]
    except KeyError as error:
        raise LookupError(
            f"The audit action {code!r} is not declared; register it in the app's AppConfig.ready."
        ) from error


def find(code: str) -> Action | None:
    return _actions.get(code)


def all_actions() -> tuple[Action, ...]:
    return tuple(sorted(_actions.values(), key=lambda action: action.code))


APPLICATION_ACTIVITY = "110100"
AUDIT_LOG_USED = "110101"
BEGIN_TRANSFERRING = "110102"
INSTANCES_ACCESSED = "110103"
INSTANCES_TRANSFERRED = "110104"
STUDY_DELETED = "110105"
EXPORT = "110106"
IMPORT = "110107"
NETWORK_ENTRY = "110108"
ORDER_RECORD = "110109"
PATIENT_RECORD = "110110"
QUERY = "110112"
SECURITY_ALERT = "110113"
USER_AUTHENTICATION = "110114"


SIGN_IN = (
    ("session.locked", _("{actor}’s session was locked ({because})"), USER_AUTHENTICATION),
    ("session.unlocked", _("{actor} unlocked the session ({method})"), USER_AUTHENTICATION),
    ("session.expired", _("{actor}’s session reached its time limit"), USER_AUTHENTICATION),
    ("session.revoked", _("{actor} signed out of their other sessions ({count})"), USER_AUTHENTICATION),
    (
        "session.shut-out",
        _("Sign-ins as {target} were refused without a look at the password, after too many failures"),
        SECURITY_ALERT,
    ),
    ("account.closed", _("{target} was locked temporarily after too many failed sign-ins"), SECURITY_ALERT),
    ("identity.confirmed", _("{actor} confirmed their identity ({method}, for {purpose})"), USER_AUTHENTICATION),
    ("identity.refused", _("{actor} failed to confirm their identity (for {purpose})"), USER_AUTHENTICATION),
    ("sign-on.refused", _("A single sign-on attempt was refused ({why})"), USER_AUTHENTICATION),
    (
        "sign-on.signed-out",
        _("{target} signed out at {sign_on}, which ended their sessions ({count})"),
        USER_AUTHENTICATION,
    ),
    ("sign-on.logout-refused", _("A sign-out request from {sign_on} was refused ({why})"), USER_AUTHENTICATION),
    ("sign-on.connected", _("{target} was connected to single sign-on"), SECURITY_ALERT),
    ("sign-on.disconnected", _("{target} was disconnected from single sign-on"), SECURITY_ALERT),
    (
        "sign-on.administrator-kept",
        _("{target} remains administrator: single sign-on no longer says so, but there is no other"),
        SECURITY_ALERT,
    ),
    ("sign-on.added", _("{actor} added single sign-on {sign_on}"), SECURITY_ALERT),
    ("sign-on.changed", _("{actor} changed single sign-on {sign_on} ({what})"), SECURITY_ALERT),
    ("sign-on.switched-on", _("{actor} turned on single sign-on {sign_on}"), SECURITY_ALERT),
    ("sign-on.switched-off", _("{actor} turned off single sign-on {sign_on}"), SECURITY_ALERT),
    ("sign-on.removed", _("{actor} deleted single sign-on {sign_on}"), SECURITY_ALERT),
    ("sign-on.rule-added", _("{actor} added a role rule to single sign-on {sign_on}"), SECURITY_ALERT),
    ("sign-on.rule-removed", _("{actor} removed a role rule from single sign-on {sign_on}"), SECURITY_ALERT),
    ("sign-on.tested", _("{actor} tested the connection of single sign-on {sign_on} ({outcome})"), SECURITY_ALERT),
    ("sign-on.synced", _("The directory {sign_on} was synchronised ({ended} memberships ended)"), SECURITY_ALERT),
    ("factor.added", _("{actor} added a second factor ({kind})"), SECURITY_ALERT),
    ("factor.removed", _("{actor} removed a second factor ({kind})"), SECURITY_ALERT),
    ("factor.refused", _("A sign-in as {target} was refused at the second factor"), USER_AUTHENTICATION),
    ("factor.reset", _("{actor} reset all second factors of {target}"), SECURITY_ALERT),
    ("factor.code-used", _("{actor} used a recovery code ({left} left)"), SECURITY_ALERT),
    ("factor.codes-made", _("{actor} created {count} new recovery codes"), SECURITY_ALERT),
    ("address.asked", _("{actor} requested a link to verify a new e-mail address"), SECURITY_ALERT),
    ("address.proven", _("{actor} verified a new e-mail address"), SECURITY_ALERT),
    ("password.reset-asked", _("A password reset link for {target} was requested"), SECURITY_ALERT),
    ("password.reset", _("The password of {target} was reset by link"), SECURITY_ALERT),
    ("policy.changed", _("{actor} changed the security policy of {target}"), SECURITY_ALERT),
)


def register_own() -> None:
    """The acts of this floor and of access below it."""
    register("audit.viewed", _("{actor} read the audit trail"), event_type=AUDIT_LOG_USED)
    register(
        "audit.exported",
        _("{actor} exported the audit trail (events: {count})"),
        event_type=AUDIT_LOG_USED,
    )
    register("audit.checked", _("{actor} started a check of the audit chain"), event_type=AUDIT_LOG_USED)
    register(
        "audit.check_ended",
        _("The check of the audit chain ended: {intact} of {total} intact"),
        event_type=AUDIT_LOG_USED,
    )
    register(
        "audit.heads_begun",
        _("An administrator started a new file of signed audit heads"),
        event_type=SECURITY_ALERT,
    )
    register(
        "audit.key_rotated",
        _("The audit key {old} was replaced by {new}"),
        event_type=SECURITY_ALERT,
    )
    register("session.started", _("{actor} signed in"), event_type=USER_AUTHENTICATION)
    register("session.ended", _("{actor} signed out"), event_type=USER_AUTHENTICATION)
    register(
        "session.refused",
        _("A sign-in as {target} was refused"),
        event_type=USER_AUTHENTICATION,
    )
    for code, sentence, event_type in SIGN_IN:
        register(code, sentence, event_type=event_type)
    register(
        "organisation.created",
        _("{actor} created the organisation {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "organisation.changed",
        _("{actor} changed the settings of {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "membership.added",
        _("{actor} added {target} to the organisation"),
        event_type=SECURITY_ALERT,
    )
    register(
        "membership.joined",
        _("{target} joined the organisation by an invitation of {giver}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "membership.renewed",
        _("{actor} brought {target} back into the organisation"),
        event_type=SECURITY_ALERT,
    )
    register(
        "membership.ended",
        _("{actor} ended the membership of {target}"),
        event_type=SECURITY_ALERT,
    )
    register("account.created", _("{actor} created the account {target}"), event_type=SECURITY_ALERT)
    register("password.renewed", _("{actor} gave {target} a one-time password"), event_type=SECURITY_ALERT)
    register("password.changed", _("{actor} changed their own password"), event_type=SECURITY_ALERT)
    register(
        "role.granted",
        _("{actor} gave {target} the role “{role}” on {place}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "role.received",
        _("{target} received the role “{role}” on {place} by an invitation of {giver}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "role.revoked",
        _("{actor} took the role “{role}” on {place} from {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "person.created",
        _("{actor} created the account {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "person.changed",
        _("{actor} changed the account {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "password.changed",
        _("{actor} changed the password of {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "role.limited",
        _("{actor} changed when the role “{role}” of {target} on {place} ends: {until}"),
        event_type=SECURITY_ALERT,
    )
    register("role.expired", _("The role “{role}” of {target} on {place} expired"), event_type=SECURITY_ALERT)
    register("membership.suspended", _("{actor} suspended {target}"), event_type=SECURITY_ALERT)
    register("membership.restored", _("{actor} lifted the suspension of {target}"), event_type=SECURITY_ALERT)
    register("organisation.suspended", _("{actor} suspended the organisation {target}"), event_type=SECURITY_ALERT)
    register(
        "organisation.resumed",
        _("{actor} lifted the suspension of the organisation {target}"),
        event_type=SECURITY_ALERT,
    )
    register("invitation.sent", _("{actor} invited somebody by e-mail (roles: {roles})"), event_type=SECURITY_ALERT)
    register("invitation.resent", _("{actor} sent the invitation {target} again"), event_type=SECURITY_ALERT)
    register("invitation.withdrawn", _("{actor} withdrew the invitation {target}"), event_type=SECURITY_ALERT)
    register("domain.proven", _("The e-mail domain {domain} was verified ({by})"), event_type=SECURITY_ALERT)
    register("domain.lost", _("The e-mail domain {domain} is no longer verified"), event_type=SECURITY_ALERT)
    register("invitation.ended", _("The invitation {target} ended ({why})"), event_type=SECURITY_ALERT)
    register("invitation.accepted", _("{actor} accepted the invitation {target}"), event_type=SECURITY_ALERT)
    register("join.asked", _("{actor} asked to join"), event_type=SECURITY_ALERT)
    register("join.accepted", _("{actor} accepted {target}’s request to join"), event_type=SECURITY_ALERT)
    register("join.refused", _("{actor} declined {target}’s request to join"), event_type=SECURITY_ALERT)
    register("people.imported", _("{actor} imported a list of people ({count})"), event_type=SECURITY_ALERT)
    register("service.created", _("{actor} created the service account {target}"), event_type=SECURITY_ALERT)
    register("look.started", _("{actor} started viewing as {target}"), event_type=SECURITY_ALERT)
    register("look.ended", _("{actor} stopped viewing as {target}"), event_type=SECURITY_ALERT)
    register(
        "token.rotated",
        _("{actor} replaced the API token {old} with {target}; hours until the old one expires: {hours}"),
        event_type=SECURITY_ALERT,
    )
    register("token.shut-out", _("{actor} blocked the API token {target}"), event_type=SECURITY_ALERT)
    register("token.let-in", _("{actor} unblocked the API token {target}"), event_type=SECURITY_ALERT)
    register(
        "token.created",
        _("{actor} created the API token {target}"),
        event_type=SECURITY_ALERT,
    )
    register(
        "token.revoked",
        _("{actor} revoked the API token {target}"),
        event_type=SECURITY_ALERT,
    )
    register("grant_policy.changed", _("{actor} changed what guests may do: {changed}"), event_type=SECURITY_ALERT)
    register("share.created", _("{actor} shared {kind} {thing} with {recipient} ({target})"), event_type=EXPORT)
    register("share.extended", _("{actor} changed the end date of {target} to {until}"), event_type=SECURITY_ALERT)
    register("share.revoked", _("{actor} revoked {target}, given to {recipient}"), event_type=SECURITY_ALERT)
    register(
        "share.paused",
        _("{target} is paused: the person responsible for it may no longer share it"),
        event_type=SECURITY_ALERT,
    )
    register("share.kept", _("{actor} took over responsibility for {target}"), event_type=SECURITY_ALERT)
    register("share.opened", _("{actor} opened {target}, meant for {recipient}"), event_type=INSTANCES_ACCESSED)
    register(
        "share.downloaded", _("{actor} downloaded the content of {target}, given to {recipient}"), event_type=EXPORT
    )
    register("share.refused", _("{actor} was refused access to {target}"), event_type=SECURITY_ALERT)
    register(
        "break_glass.started", _("{actor} started break-glass access ({target}): {reason}"), event_type=SECURITY_ALERT
    )
    register("break_glass.ended", _("{actor} ended {target}"), event_type=SECURITY_ALERT)
    register("break_glass.refused", _("{actor} was refused break-glass access: {why}"), event_type=SECURITY_ALERT)
    register("break_glass.reviewed", _("{actor} reviewed {target}: {verdict}"), event_type=AUDIT_LOG_USED)
    register(
        "access.refused",
        _("{actor} was refused: {method} {route}"),
        event_type=SECURITY_ALERT,
    )
