"""Asking an LDAP directory: who is this, is the password right, in which groups.

Every call is part of an exchange (`access.single_sign_on.exchange`), which bounds its time and its bytes.

The connection is always encrypted and the server's certificate always checked (ldaps, or StartTLS before anything else
is said); referrals are not followed; every step has a time limit. What people type enters a filter only escaped
(RFC 4515), and an empty password is refused here: a server takes it for an anonymous greeting and says yes
(RFC 4513, 5.1.2).
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import ldap3
from django.utils.translation import gettext as _
from ldap3.core.exceptions import LDAPException, LDAPExceptionError, LDAPInvalidFilterError
from ldap3.operation.search import parse_filter
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import parse_dn

from access.single_sign_on import exchange, sealing
from access.single_sign_on.errors import ProviderUnreachable, SignOnRefused
from access.single_sign_on.fetching import Forbidden, resolve
from access.single_sign_on.models import Directory, RoleRule
from core.tenancy import tenant

CONNECT_SECONDS = 4
ANSWER_SECONDS = 6
LONGEST_NAME = 150
LONGEST_IDENTIFIER = 190
LONGEST_PASSWORD = 1024
GROUPS_MOST = 1000
NESTING_MOST = 12
GROUPS_AT_ONCE = 50
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
SUCCESS, NO_SUCH_OBJECT, INVALID_CREDENTIALS, SIZE_LIMIT = 0, 32, 49, 4
ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
NEVER_READ = frozenset({"userpassword", "unicodepwd", "ntpassword", "sambantpassword", "pwdhistory"})
# Active Directory says why in the text of its refusal: expired, must be changed.
EXPIRED_IN_ACTIVE_DIRECTORY = ("data 532", "data 773")
NAME = "{name}"


@dataclass(frozen=True)
class Entry:
    """A person of the directory."""

    distinguished_name: str
    identifier: str
    claims: dict[str, Any]


def problems(settings: Mapping[str, Any]) -> dict[str, str]:
    """field → sentence, for settings that no directory could work with."""
    found: dict[str, str] = {}
    try:
        _server_of(settings.get("address", ""))
    except ValueError:
        found["address"] = _("Type ldaps://server or ldap://server, with :port if it is another one.")
    for name in ("people_base", "groups_base", "bind_name"):
        value = settings.get(name, "")
        try:
            if value:
                parse_dn(value)
        except LDAPException:
            found[name] = _("This is not a distinguished name; they look like ou=people,dc=hospital,dc=org.")
    for name in ("people_filter", "groups_filter"):
        value = str(settings.get(name, ""))
        try:
            parse_filter(value.replace(NAME, "x"), None, False, False, None, False)
        except (LDAPInvalidFilterError, LDAPExceptionError, IndexError, ValueError):
            found[name] = _("This is not a filter; they look like (&(objectClass=person)(uid={name})).")
    if "people_filter" not in found and NAME not in str(settings.get("people_filter", "")):
        found["people_filter"] = _("{name} is missing: without it the filter would fit everybody.")
    for name in ("id_attribute", "name_attribute", "email_attribute", "member_attribute"):
        if not ATTRIBUTE.fullmatch(str(settings.get(name, ""))):
            found[name] = _("Type the name of an attribute.")
    if settings.get("authorities"):
        try:
            ssl.create_default_context(cadata=str(settings["authorities"]))
        except (ssl.SSLError, ValueError):
            found["authorities"] = _("This is not a certificate in PEM form.")
    return found


def try_connection(directory: Directory) -> None:
    """Connect, bind, and look below the bases. Raises `SignOnRefused`."""

    def ask() -> None:
        with _searching(directory) as connection:
            for base in filter(None, (directory.people_base, directory.groups_base)):
                _search(connection, base=base, filter_="(objectClass=*)", attributes=["1.1"], limit=1, scope=ldap3.BASE)

    exchange.in_time(ask)


def look_up(directory: Directory, *, name: str) -> Entry | None:
    """The person of a name, with groups. Raises `SignOnRefused`."""
    wanted = _attributes(directory)

    def ask() -> Entry | None:
        with _searching(directory) as connection:
            raw = _person(connection, directory, name=name, attributes=wanted)
            return None if raw is None else _entry(connection, directory, raw=raw, login=name)

    return exchange.in_time(ask)


def look_up_identifier(connection: Any, directory: Directory, *, identifier: str) -> Entry | None:
    """The person with an identifier, if the filter still finds them."""
    known = directory.people_filter.replace(NAME, "*")
    value = _escaped_identifier(identifier)
    found = _search(
        connection,
        base=directory.people_base,
        filter_=f"(&({directory.id_attribute}={value}){known})",
        attributes=_attributes(directory),
        limit=2,
    )
    if len(found) != 1:
        return None
    return _entry(connection, directory, raw=found[0], login="")


def authenticate(
    directory: Directory, *, name: str, password: str, admit: Callable[[str], None] | None = None
) -> Entry | None:
    """The person, if the password is theirs; None if not. Raises `SignOnRefused` for everything else.

    `admit` is called with the identifier of the person found, before the password is tried; it may refuse.
    """
    if not password or "\x00" in password or len(password) > LONGEST_PASSWORD or not _is_name(name):
        return None
    wanted = _attributes(directory)

    def ask() -> Entry | None:
        with _searching(directory) as connection:
            raw = _person(connection, directory, name=name, attributes=wanted)
            if raw is not None and admit is not None:
                admit(_identifier(raw, directory.id_attribute))
            # A name that is not there costs a refused bind too: the time must not tell which names exist.
            who = raw["dn"] if raw is not None else f"cn=nobody-of-this-name,{directory.people_base}"
            if not _greets(directory, who=who, password=password) or raw is None:
                return None
            return _entry(connection, directory, raw=raw, login=name)

    return exchange.in_time(ask)


# Connections -----------------------------------------------------------------------------------------------------------


def _server_of(address: str) -> tuple[str, int, bool]:
    parts = urlsplit(address.strip())
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or parts.username or parts.query:
        raise ValueError("not the address of a directory")
    if parts.path not in ("", "/"):
        raise ValueError("not the address of a directory")
    is_secure = parts.scheme == "ldaps"
    return parts.hostname, parts.port or (636 if is_secure else 389), is_secure


class _Server(ldap3.Server):
    """A server that is looked up once, at addresses that may be reached."""

    _address_info: list[Any]

    @property
    def address_info(self) -> list[Any]:
        if not self._address_info:
            self._address_info = [[*one, None, None] for one in resolve(self.host, self.port)]
        return self._address_info


class _CountedSocket(socket.socket):
    """A socket whose bytes are counted against the exchange's clock."""

    def recv(self, *args: Any) -> bytes:
        return _counted(super().recv)(*args)


def _counted(recv: Callable[..., bytes]) -> Callable[..., bytes]:
    clock = exchange.clock()

    def receive(*args: Any) -> bytes:
        clock.check()
        found = recv(*args)
        clock.took(len(found))
        return found

    return receive


class _Connection(ldap3.Connection):
    """A connection that ends when its exchange does: the library limits each read, but not how many there are."""

    _socket: Any = None

    @property
    def socket(self) -> Any:
        return self._socket

    @socket.setter
    def socket(self, value: Any) -> None:
        if isinstance(value, ssl.SSLSocket):
            value.recv = _counted(value.recv)  # type: ignore[method-assign]
        elif isinstance(value, socket.socket):
            value = _CountedSocket(fileno=value.detach())
            exchange.clock().watch(value)
        self._socket = value


@contextmanager
def _connected(directory: Directory, *, who: str, password: str) -> Iterator[Any]:
    """A connection that is encrypted, to a server that is who it says; nothing was said on it yet."""
    try:
        host, port, is_secure = _server_of(directory.address)
    except ValueError as error:
        raise ProviderUnreachable(code="address") from error
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=directory.authorities or None)
    server = _Server(
        host,
        port=port,
        use_ssl=is_secure,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=CONNECT_SECONDS,
        allowed_referral_hosts=[],
    )
    connection = _Connection(
        server,
        user=who,
        password=password,
        auto_referrals=False,
        check_names=False,
        read_only=True,
        receive_timeout=ANSWER_SECONDS,
    )
    try:
        _open(connection, is_secure=is_secure)
        yield connection
    except (LDAPException, OSError) as error:
        raise ProviderUnreachable(code="timeout" if exchange.clock().is_over else "unreachable") from error
    finally:
        try:
            connection.unbind()
        except (LDAPException, OSError):  # it is gone already
            connection.strategy.close()


def _open(connection: Any, *, is_secure: bool) -> None:
    try:
        connection.open(read_server_info=False)
        if not is_secure and not connection.start_tls(read_server_info=False):
            raise ProviderUnreachable(code="tls")
    except Forbidden as error:
        raise ProviderUnreachable(code="address") from error
    except (LDAPException, OSError) as error:
        text = f"{error} {error.__cause__}".lower()
        is_trust = any(word in text for word in ("certificate", "ssl", "tls", "hostname"))
        raise ProviderUnreachable(code="tls" if is_trust else "unreachable") from error


@contextmanager
def _searching(directory: Directory) -> Iterator[Any]:
    password = sealing.unseal(directory.sealed_password)
    if not password:
        raise ProviderUnreachable(code="bind-refused")
    with _connected(directory, who=directory.bind_name, password=password) as connection:
        if not connection.bind(read_server_info=False):
            raise ProviderUnreachable(code="bind-refused")
        yield connection


searching = _searching


def _greets(directory: Directory, *, who: str, password: str) -> bool:
    """Whether the server takes the password for this name. Raises `SignOnRefused` for an expired one."""
    with _connected(directory, who=who, password=password) as connection:
        took = connection.bind(read_server_info=False, controls=[(PASSWORD_POLICY, False, None)])
        result = connection.result
        said = _policy_error((result.get("controls") or {}).get(PASSWORD_POLICY))
        message = str(result.get("message", ""))
        if said in (0, 2) or (not took and any(word in message for word in EXPIRED_IN_ACTIVE_DIRECTORY)):
            raise SignOnRefused(
                _("Your password has expired. Change it where you usually do, then sign in here."),
                code="password-expired",
            )
        if took:
            return said is None
        if result.get("result") in (INVALID_CREDENTIALS, NO_SUCH_OBJECT):
            return False
        # Locked, may not sign in now, must use another server: no, whatever the password is.
        return False


def _policy_error(control: Any) -> int | None:
    """The error of a password policy response: SEQUENCE { [0] warning OPTIONAL, [1] error OPTIONAL }."""
    value = control.get("value") if isinstance(control, dict) else None
    if not isinstance(value, (bytes, bytearray)) or len(value) < 2 or value[0] != 0x30:
        return None
    at = 2
    while at + 2 < len(value):
        tag, length = value[at], value[at + 1]
        if tag == 0x81 and length == 1:
            return int(value[at + 2])
        at += 2 + length
    return None


# Searching -------------------------------------------------------------------------------------------------------------


def _search(
    connection: Any,
    *,
    base: str,
    filter_: str,
    attributes: list[str],
    limit: int,
    scope: Any = ldap3.SUBTREE,
) -> list[dict[str, Any]]:
    connection.search(
        base, filter_, search_scope=scope, attributes=attributes, size_limit=limit, time_limit=ANSWER_SECONDS
    )
    if connection.result["result"] not in (SUCCESS, SIZE_LIMIT):
        raise ProviderUnreachable(code="search")
    return [row for row in connection.response or [] if row.get("type") == "searchResEntry"]


def _is_name(name: str) -> bool:
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()


def _person(connection: Any, directory: Directory, *, name: str, attributes: list[str]) -> dict[str, Any] | None:
    if not _is_name(name):
        return None
    filter_ = directory.people_filter.replace(NAME, escape_filter_chars(name))
    found = _search(connection, base=directory.people_base, filter_=filter_, attributes=attributes, limit=2)
    if len(found) > 1:
        raise SignOnRefused(code="ambiguous")
    return found[0] if found else None


def _attributes(directory: Directory) -> list[str]:
    """What is read of a person: who it is, and what the rules ask for."""
    with tenant(directory.organisation):
        claims = list(RoleRule.objects.filter(directory=directory).values_list("claim", flat=True))
    wanted = [directory.id_attribute, directory.name_attribute, directory.email_attribute, "uid", "memberOf"]
    wanted += [claim for claim in claims if claim not in ("groups", "dn", "login")]
    named = [one for one in wanted if ATTRIBUTE.fullmatch(one) and one.lower() not in NEVER_READ]
    return list(dict.fromkeys(named))


def _texts(raw: Mapping[str, Any], attribute: str) -> list[str]:
    """The values of an attribute, whatever its capitals; what is not text is left out."""
    for name, values in raw["raw_attributes"].items():
        if name.lower() == attribute.lower():
            found = []
            for value in values:
                try:
                    found.append(value.decode("utf-8"))
                except UnicodeDecodeError:
                    continue
            return found
    return []


def _identifier(raw: Mapping[str, Any], attribute: str) -> str:
    for name, values in raw["raw_attributes"].items():
        if name.lower() == attribute.lower() and values:
            value = values[0]
            if attribute.lower() == "objectguid":
                return f"hex:{value.hex()}"
            try:
                return str(value.decode("utf-8"))
            except UnicodeDecodeError:
                return f"hex:{value.hex()}"
    return ""


def _escaped_identifier(identifier: str) -> str:
    if identifier.startswith("hex:"):
        digits = identifier.removeprefix("hex:")
        return "".join(f"\\{digits[at : at + 2]}" for at in range(0, len(digits), 2))
    return str(escape_filter_chars(identifier))


def _entry(connection: Any, directory: Directory, *, raw: dict[str, Any], login: str) -> Entry:
    identifier = _identifier(raw, directory.id_attribute)
    if not 0 < len(identifier) <= LONGEST_IDENTIFIER:
        raise SignOnRefused(code="no-identifier")
    claims: dict[str, Any] = {name: _texts(raw, name) for name in raw["raw_attributes"]}
    claims |= {
        "dn": raw["dn"],
        "login": login.lower(),
        "name": next(iter(_texts(raw, directory.name_attribute)), ""),
        "email": next(iter(_texts(raw, directory.email_attribute)), ""),
        "groups": _groups(connection, directory, raw=raw, login=login or next(iter(_texts(raw, "uid")), "")),
    }
    return Entry(distinguished_name=raw["dn"], identifier=identifier, claims=claims)


def _groups(connection: Any, directory: Directory, *, raw: dict[str, Any], login: str) -> list[str]:
    """Distinguished and plain names of the groups the person is in, and of the groups these are in."""
    found: dict[str, str] = dict.fromkeys(_texts(raw, "memberOf"), "")
    if not directory.groups_base:
        return _with_plain_names(found)
    by_login = directory.member_attribute.lower() == "memberuid"
    ask = [login] if by_login else [raw["dn"], *found]
    for _level in range(NESTING_MOST):
        if not ask or len(found) > GROUPS_MOST:
            break
        met: dict[str, str] = {}
        for start in range(0, len(ask), GROUPS_AT_ONCE):
            members = "".join(
                f"({directory.member_attribute}={escape_filter_chars(one)})"
                for one in ask[start : start + GROUPS_AT_ONCE]
            )
            rows = _search(
                connection,
                base=directory.groups_base,
                filter_=f"(&{directory.groups_filter}(|{members}))",
                attributes=["cn"],
                limit=GROUPS_MOST,
            )
            met |= {row["dn"]: next(iter(_texts(row, "cn")), "") for row in rows}
        ask = [one for one in met if one not in found] if directory.nests_groups and not by_login else []
        found |= met
    return _with_plain_names(found)


def _with_plain_names(groups: Mapping[str, str]) -> list[str]:
    plain = []
    for distinguished, name in groups.items():
        plain.append(distinguished)
        first = name or next((value for kind, value, _sep in _parsed(distinguished) if kind.lower() == "cn"), "")
        if first:
            plain.append(first)
    return list(dict.fromkeys(plain))


def _parsed(distinguished: str) -> list[tuple[str, str, str]]:
    try:
        return list(parse_dn(distinguished, escape=False))
    except LDAPException:
        return []
