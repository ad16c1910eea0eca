from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import PermanentError, RetriableError


class ChainBroken(PermanentError):
    """The audit trail was altered."""

    code = "chain-broken"


class KeyMissing(PermanentError):
    """Nothing can be recorded: an event without its stamp would pass for a forged one."""

    code = "audit-key-missing"
    default_message = _(
        "The audit key is missing, so nothing can be recorded. Set PACSWEB_AUDIT_KEY to 32 random bytes in base64; "
        "where `make up` runs, it is in secrets/ of the data folder."
    )


class KeyChanged(PermanentError):
    """The file of signed heads ends with another key: one that went on with this one could be checked with neither."""

    code = "audit-key-changed"

    def __init__(self, *, named: str, key: str) -> None:
        super().__init__(
            _(
                "The file of signed heads was written with the audit key %(named)s, and PACSWEB_AUDIT_KEY is %(key)s, so "
                "nothing is sealed; events are recorded and wait. Put the old key back, or replace it with "
                "`manage.py rotate_audit_key` (docs/operations.md)."
            )
            % {"named": named, "key": key}
        )


class EarlierKeyMissing(PermanentError):
    """What the key stamped cannot be told from what was forged."""

    code = "audit-earlier-key-missing"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            _(
                "A part of the audit trail was written with the earlier audit key %(name)s, which is not in "
                "PACSWEB_AUDIT_KEY_PREVIOUS. Add it: the trail cannot be checked without it."
            )
            % {"name": name}
        )


class RotationRefused(PermanentError):
    code = "audit-key-not-rotated"


class HeadsForged(PermanentError):
    """Going on would vouch for a line that somebody else wrote."""

    code = "audit-heads-forged"
    default_message = _(
        "The last line of the file of signed heads is not signed with the audit key, so nothing is sealed; events are "
        "recorded and wait. Keep a copy of the file, see `manage.py verify_audit`, and put a good copy back."
    )


class HeadsUnusable(RetriableError):
    """Events are kept and wait for their seal."""

    code = "audit-heads-unusable"

    def __init__(self, *, reason: str) -> None:
        super().__init__(
            _(
                "The file of signed heads cannot be used (%(reason)s). Events are recorded and wait for their seal; "
                "make the file of PACSWEB_AUDIT_HEADS writable."
            )
            % {"reason": reason}
        )


class HeadsLost(PermanentError):
    """There were heads, and the file is gone, empty or begun by halves: one begun now would vouch for the database as it is."""

    code = "audit-heads-lost"
    default_message = _(
        "The file of signed heads is missing or was begun and not finished, so nothing is sealed; events are recorded and "
        "wait. Put the file of PACSWEB_AUDIT_HEADS back. If it is lost for good, `manage.py begin_audit_heads` begins a new "
        "one, or finishes it."
    )
