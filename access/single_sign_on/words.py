"""Codes of refusals in words: one sentence for the person, one for the administrator."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Message, PacswebError

FOR_THE_PERSON: dict[str, Message] = {
    "no-role": _(
        "You are signed in there, but nothing here is meant for you yet. Ask who administers the organisation."
    ),
    "no-account": _(
        "No account here belongs to you yet. If you have one, sign in to it and connect it under Sign-in and security; "
        "otherwise ask who administers the organisation."
    ),
    "name-taken": _(
        "An account of your name is here already. Sign in with its own password, or ask who administers the organisation."
    ),
    "suspended": _("Your membership is suspended. Ask who administers the organisation."),
    "account-closed": _("Your account is closed. Ask who administers the organisation."),
    "people-quota": _("The organisation has as many people as it may. Ask who administers it."),
    "cancelled": _("You left the sign-on before it was done."),
    "state": _(
        "This sign-in was not begun in this browser, was answered already, or took longer than ten minutes. Start again."
    ),
    "linked-elsewhere": _("This sign-on belongs to another account here."),
    "has-another": _("Your account is connected with another person of this sign-on. Disconnect that one first."),
    "somebody-else": _("Somebody else has signed in in this browser meanwhile. Nothing was connected."),
    "not-yours": _("You signed in there as somebody else than this account belongs to. Nothing was confirmed."),
    "no-auth-time": _("The sign-on does not say when you signed in. Use a passkey or an authenticator app instead."),
    "old-sign-in": _("The sign-on did not ask you to sign in anew. Use a passkey or an authenticator app instead."),
    "not-a-member": _("You are not a member of this organisation any more."),
    "signed-out-there": _("You signed out there before this sign-in was done. Start again from the sign-in page."),
    "busy": _("Too many people are signing in this way right now. Try again in a few seconds."),
    "silent": _(
        "The sign-on service is not answering. Try again in half a minute; your own password and passkeys still work."
    ),
}

FOR_THE_ADMINISTRATOR: dict[str, Message] = {
    "signed-in": _("Signed in"),
    "connected": _("Connected an account"),
    "synced": _("Brought up to date"),
    "signed-out": _("Signed out there, so the sessions here ended"),
    "signed-out-nobody": _("Somebody signed out there who had no session here"),
    "signed-out-there": _("Signed out there before the sign-in was done"),
    "no-role": _("No rule gives this person anything"),
    "no-account": _("No account, and none is made"),
    "suspended": _("The membership is suspended"),
    "account-closed": _("The account is closed"),
    "people-quota": _("The quota of people is used up"),
    "cancelled": _("Given up at the provider"),
    "refused": _("Refused for a reason that has no name"),
    "provider-error": _("The provider answered with an error"),
    "state": _("Not begun here, answered twice, or too late"),
    "code-refused": _("The provider did not take the code: check client ID, secret and redirect address"),
    "answer-of-another": _("The answer came from another issuer"),
    "answer-without-issuer": _("The answer does not name its issuer, as it should"),
    "not-yours": _("Somebody else confirmed an act than the account belongs to"),
    "no-auth-time": _("It does not say when the person signed in (auth_time), as max_age asks for"),
    "old-sign-in": _("It did not have the person sign in anew (prompt=login, max_age=0)"),
    "no-id-token": _("No ID token: check that the scope openid is asked for"),
    "token-malformed": _("The ID token is malformed or lacks a claim"),
    "token-algorithm": _("The ID token is signed by an algorithm that is not accepted"),
    "token-key": _("The ID token is signed with a key the provider does not list"),
    "token-signature": _("The signature of the ID token is wrong"),
    "token-expired": _("The ID token has expired: check the clocks"),
    "token-not-yet": _("The ID token is from the future: check the clocks"),
    "token-issuer": _("The ID token is of another issuer"),
    "token-audience": _("The ID token is for another client"),
    "token-party": _("The ID token was made for another party"),
    "token-nonce": _("The ID token does not answer this sign-in"),
    "token-subject": _("The ID token does not say who it is"),
    "token-access-hash": _("ID token and access token do not belong together"),
    "userinfo-subject": _("The userinfo address speaks of somebody else"),
    "unreachable": _("No connection"),
    "busy": _("Too many sign-ins at once; some had to be tried again"),
    "silent": _("It did not answer in time shortly before, so it was not asked again"),
    "too-many-attempts": _("Too many failed attempts at this person"),
    "timeout": _("No answer in time"),
    "certificate": _("The certificate was not accepted"),
    "redirect": _("It answered with a redirect, which is not followed"),
    "answer-too-large": _("The answer is too large"),
    "not-json": _("The answer is not JSON"),
    "other-issuer": _("The discovery document is of another issuer"),
    "discovery": _("The discovery document lacks an address, or names one that is not allowed"),
    "algorithms": _("It signs by no algorithm that is accepted"),
    "address": _("An address that is not allowed"),
    "issuer": _("The issuer is not an address that is allowed"),
    "secret-unreadable": _("The secret cannot be read; enter it again"),
    "linked-elsewhere": _("The sign-on belongs to another account"),
    "has-another": _("The account is connected with another person"),
    "somebody-else": _("Somebody else was signed in meanwhile"),
    "not-a-member": _("Not a member any more"),
    "no-free-name": _("No user name was free"),
    "wrong-password": _("Name and password were not accepted"),
    "bind-refused": _("The name for searching was not accepted"),
    "tls": _("No trusted encryption"),
    "ambiguous": _("The filter finds several people of that name"),
    "no-identifier": _("The entry lacks the unchanging identifier"),
    "password-expired": _("The password has expired in the directory"),
    "gone": _("Gone from the directory; the membership ended"),
    "many-gone": _("Most people seemed gone, so nothing was changed: check filter, base and rights"),
    "name-taken": _("An account of this name is here already"),
    "search": _("The search failed: check base and filter"),
}


def sentence_of(error: PacswebError) -> Message:
    return FOR_THE_PERSON.get(error.code, error.message)


# Of what the provider says by itself, about somebody who signed out there.
OF_A_SIGN_OUT: dict[str, Message] = {
    "no-id-token": _("no logout token, or too large a one"),
    "token-malformed": _("the token is malformed or lacks a claim"),
    "token-type": _("the token is of another type"),
    "token-algorithm": _("signed by an algorithm that is not accepted"),
    "token-key": _("signed with a key the provider does not list"),
    "token-signature": _("the signature is wrong"),
    "token-expired": _("the token has expired: check the clocks"),
    "token-old": _("the token is older than ten minutes: check the clocks"),
    "token-not-yet": _("the token is from the future: check the clocks"),
    "token-issuer": _("the token is of another issuer"),
    "token-audience": _("the token is for another client"),
    "token-party": _("the token was made for another party"),
    "token-subject": _("the token names neither a person nor a session"),
    "token-event": _("the token says of no sign-out"),
    "token-nonce": _("the token has a nonce, so it is no logout token"),
    "token-replayed": _("the token came a second time"),
}


def outcome_words(code: str) -> str:
    if code.startswith("logout-"):
        why = code.removeprefix("logout-")
        return str(_("A sign-out was not accepted: %(why)s")) % {"why": OF_A_SIGN_OUT.get(why) or outcome_words(why)}
    if code.startswith("status-"):
        return str(_("It answered with status %(status)s") % {"status": code.removeprefix("status-")})
    return str(FOR_THE_ADMINISTRATOR.get(code, code))
