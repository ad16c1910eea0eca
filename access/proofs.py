"""The acts that change who may do what. Each asks for a proof that the person at the keyboard is the one who signed in.

`ACTS` is the one list, `needed` the one decorator; `tests/access/test_proofs_of_acts.py` walks every route that changes
anything and fails for one that is neither decorated nor named there with the reason why it needs no proof.

Programs prove nothing: an API token stands for the proof that was asked when it was made with the scope `admin`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from access import sudo
from core.errors import Message

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

ACTS: Final[Mapping[str, Message]] = {
    "people": _("Changing who may do what"),
    "invitations": _("Inviting people"),
    "join-requests": _("Deciding who may join"),
    "passwords": _("Making a one-time password for somebody"),
    "factors": _("Resetting the second factors of somebody"),
    "view-as": _("Looking as somebody else"),
    "tokens": _("Making an API token"),
    "tokens-of-others": _("Changing what tokens may open"),
    "service-accounts": _("Making a service account"),
    "settings": _("Changing the rules of the organisation"),
    "sign-in-rules": _("Changing the rules of signing in"),
    "guest-rules": _("Changing what may be shared and opened"),
    "shares": _("Sharing with somebody outside"),
    "sign-on": _("Changing who can sign in"),
    "domains": _("Saying whose an e-mail domain is"),
    "installation": _("Administering the installation"),
    "intake": _("Changing who may send images"),
    "two-people": _("Changing who has to agree"),
    "held-images": _("Releasing images that may show the patient"),
}

View = Callable[..., HttpResponseBase]


def needed(act: str, *, when: Callable[[HttpRequest], bool] | None = None) -> Callable[[View], View]:
    """Decorates a view: requests that change something need a proof; `when` limits it to some of them.

    Below `login_required`, so that nobody but a person is asked.
    """
    reason = ACTS[act]

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in SAFE_METHODS and (when is None or when(request)):
                sudo.require(request, reason=reason)
            return view(request, *args, **kwargs)

        guarded.proof_act = act  # type: ignore[attr-defined]
        return guarded

    return decorate
