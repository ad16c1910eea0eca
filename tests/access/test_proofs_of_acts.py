"""Every route that changes something asks for a proof of presence, or says here why it need not."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from access import proofs, services
from access.models import Organisation, User
from tests.access.factories import PASSWORD, make_member, make_organisation, make_user
from tests.access.sign_in.sessions import forget_sign_in, signed_in
from tests.access.test_every_route import address

pytestmark = pytest.mark.django_db

#: Routes that change something and ask for no proof, by name, with the reason. A new one is added on purpose.
NEEDS_NONE: dict[str, str] = {
    # Signing in and out, and what proves itself.
    "access:sign-in*": "it is the proof",
    "access:second-factor": "it is the proof",
    "access:choose-password": "a step of signing in",
    "access:change-password": "asks for the present password",
    "access:reset-*": "opened by a letter",
    "access:address-prove": "opened by a letter",
    "access:unlock": "it is the proof",
    "access:lock": "closes",
    "access:sign-out": "closes",
    "access:sign-on*": "leads to a provider, or is called by it; nothing is given by the form itself",
    "account_*": "leads to our own sign-in",
    "mfa_*": "leads to our own sign-in",
    "access:share-enter": "opened by the code of a link",
    "access:invitation": "opened by the secret of a link; gives rights to the person who holds it alone",
    # One's own.
    "access:preferences": "looks of the pages, name and language",
    "access:profile": "name and language",
    "access:passkey-rename": "a name",
    "access:my-organisations": "asks to be let in; somebody else decides, with a proof",
    "access:join-take-back": "takes back one's own question",
    "access:leave": "gives up one's own rights",
    "access:session": "tells how long the session lasts, and keeps it awake",
    "access:session-revoke": "closes one's own sessions",
    "access:sessions-revoke-others": "closes one's own sessions",
    "access:token-revoke": "closes one's own token",
    # Asks by itself, or gives nothing.
    "access:break-glass": "asks for a proof of its own, once for this act",
    "access:break-glass-end": "closes",
    "access:break-glass-review": "a verdict on what happened",
    "access:view-as-end": "closes",
    "access:share-revoke": "closes",
    "access:logo-change": "a picture",
    "access:sso-test": "asks the provider as a sign-in would; changes no setting",
    "access:sso-preview": "shows what rules would give; changes nothing",
    "access:sso-look-up": "shows what rules would give; changes nothing",
    # Work with images, cases and subjects: content, under roles that others gave with a proof.
    "archive:album-*": "content",
    "archive:archive-create": "a new, empty place; its maker gets the first role on it",
    "archive:quarantine-discard*": "content",
    "archive:studies-*": "content",
    "archive-api:*": "content",
    "core:*": "one's own views, notifications and jobs",
    "dimse:caller-forget": "takes a line off a list; the caller stays refused",
    "deid:run-*": "content; a second person decides where the rules ask for one",
    "audit:verify": "reads the chain",
    "dicomweb:*": "content",
    "practice:*": "one's own reads, and their scores",
    "practice-api:*": "one's own reads",
    "teaching:case-*": "content",
    "teaching:question*": "content",
    "teaching:section*": "content",
    "teaching:assignment-*": "gives learners of the course cases of the course to read",
    "teaching:course-new": "a new, empty place; its maker gets the first role on it",
    "teaching:course-settings": "name and text",
    "teaching:course-cases": "content",
    "teaching:library-new": "a new, empty place; its maker gets the first role on it",
    "teaching-api:*": "content",
    "trials:*": "content: a trial, its sites, subjects and images; their roles are given on the pages of people",
    "trials-api:*": "content",
    "viewer:*": "content",
}


@dataclass(frozen=True)
class Route:
    name: str
    pattern: str
    converters: dict[str, Any]
    view: Any

    @property
    def act(self) -> str:
        return getattr(self.view, "proof_act", "") or getattr(self.of_class, "proof_act", "")

    @property
    def of_class(self) -> Any:
        return getattr(self.view, "cls", None) or getattr(self.view, "view_class", None)

    @property
    def changes(self) -> bool:
        """Whether it takes a method that is not safe; a view that does not tell its methods may take any."""
        if self.of_class is not None:
            return any(hasattr(self.of_class, method) for method in ("post", "put", "patch", "delete"))
        methods = _methods_of(self.view)
        return methods is None or bool(set(methods) - proofs.SAFE_METHODS)

    @property
    def reason(self) -> str:
        return next((why for name, why in NEEDS_NONE.items() if fnmatchcase(self.name, name)), "")


def _methods_of(view: Any) -> list[str] | None:
    """What `require_http_methods` allows, found in what it closes over."""
    while view is not None:
        found = inspect.getclosurevars(view).nonlocals.get("request_method_list") if inspect.isfunction(view) else None
        if found is not None:
            return list(found)
        view = getattr(view, "__wrapped__", None)
    return None


def routes() -> Iterator[Route]:
    def walk(resolver: URLResolver, spaces: tuple[str, ...], before: str, known: dict[str, Any]) -> Iterator[Route]:
        for entry in resolver.url_patterns:
            pattern, converters = before + str(entry.pattern), {**known, **entry.pattern.converters}
            if isinstance(entry, URLResolver):
                inner = (*spaces, entry.namespace) if entry.namespace else spaces
                yield from walk(entry, inner, pattern, converters)
            elif isinstance(entry, URLPattern):
                yield Route(":".join((*spaces, entry.name or "")), pattern, converters, entry.callback)

    yield from walk(get_resolver(), (), "", {})


ALL = list(routes())
GUARDED = [route for route in ALL if route.act in proofs.ACTS]
#: Those that ask only for some forms, with one that is asked and one that is not.
ONLY_SOMETIMES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "access:share-new": ({"mode": "download"}, {"mode": "view"}),
    "access:people-import": ({"confirm": "1"}, {"text": "x"}),
    "archive:quarantine-release": ({"looked": "1", "selected": "1"}, {}),
    "deid:run-drop": ({"instances": "1", "reason": "no text in any frame"}, {}),
    "deid:run-release": ({"instances": "1", "reason": "no text in any frame", "looked": "on"}, {}),
}


def test_each_route_that_changes_something_asks_for_a_proof_or_says_why_not() -> None:
    open_ones = sorted({route.name for route in ALL if route.changes and not route.act and not route.reason})
    assert not open_ones, f"decorate with access.proofs.needed, or add to NEEDS_NONE with the reason: {open_ones}"


def test_no_reason_is_left_over() -> None:
    names = {route.name for route in ALL if route.changes and not route.act}
    left = [one for one in NEEDS_NONE if not any(fnmatchcase(name, one) for name in names)]
    assert not left


def test_each_act_of_the_list_is_asked_for_by_a_route() -> None:
    acts = {route.act for route in GUARDED}
    assert acts == set(proofs.ACTS)
    assert len(GUARDED) > 40


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    """Of the organisation and of the installation: nothing else keeps them out."""
    user = make_member(hospital, roles=("administrator",), username="root@hospital")
    User.objects.filter(pk=user.pk).update(is_installation_administrator=True)
    user.refresh_from_db()
    return user


def unsafe_methods(route: Route) -> list[str]:
    if route.of_class is not None:
        return [name for name in ("post", "put", "patch", "delete") if hasattr(route.of_class, name)]
    return ["post"]


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
def test_a_screen_left_open_changes_no_rights(route: Route, hospital: Organisation, administrator: User) -> None:
    client = signed_in(administrator)
    forget_sign_in(client)
    there = address(route.pattern, route.converters, hospital.slug)
    asked, _not_asked = ONLY_SOMETIMES.get(route.name, ({}, {}))
    for method in unsafe_methods(route):
        answer = getattr(client, method)(there, asked or None)
        assert answer.status_code == 403, (method, there)
        if route.of_class is not None:
            assert answer.json()["code"] == "proof-needed"
        else:
            assert answer.context["reason"] == proofs.ACTS[route.act]
    # With the proof the same request goes on to the view, which knows nothing of these samples or takes no empty form.
    if route.of_class is None:
        proven = client.post(there, {**asked, "proof-purpose": "sensitive", "proof-password": PASSWORD})
        assert proven.status_code != 403, there


@pytest.mark.parametrize("name", sorted(ONLY_SOMETIMES))
def test_what_gives_nothing_asks_nothing(name: str, hospital: Organisation, administrator: User) -> None:
    client = signed_in(administrator)
    forget_sign_in(client)
    [route] = [one for one in GUARDED if one.name == name]
    answer = client.post(address(route.pattern, route.converters, hospital.slug), ONLY_SOMETIMES[name][1])
    assert answer.status_code != 403


def test_who_may_not_do_it_is_not_helped_by_a_proof(hospital: Organisation) -> None:
    member = make_member(hospital)
    client = signed_in(member)
    there = f"/o/{hospital.slug}/admin/invitations/"
    assert client.post(there, {"email": "x@example.org", "days": "3"}).status_code == 403
    assert Client().post(there).status_code == 302
    assert signed_in(make_user()).post(there).status_code == 404


def test_a_token_of_the_scope_admin_is_asked_for_no_proof(hospital: Organisation, administrator: User) -> None:
    for scope, status in (("admin", 200), ("write", 403)):
        _token, secret = services.create_token(user=administrator, name="t", scopes=[scope])
        client = Client(headers={"Authorization": f"Bearer {secret}"})
        there = f"/api/v1/o/{hospital.slug}/settings/"
        answer = client.patch(there, {"contact_name": "Ada"}, content_type="application/json")
        assert answer.status_code == status, answer.content
