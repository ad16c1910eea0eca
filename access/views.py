"""Doors of accounts: signing in and out, the profile, and the administration of people."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import queries, services, throttle
from access.forms import (
    ChangePasswordForm,
    NewPasswordForm,
    PersonForm,
    PreferenceForm,
    ProfileForm,
    SignInForm,
    TokenForm,
    add_errors,
)
from access.models import ApiToken, Membership, Organisation, User
from core.errors import Invalid, NotFound
from core.shell import within_organisation
from core.tables import Choice, Column, Flag, Table

CHOOSING_SECONDS = 15 * 60
TOKENS_SHOWN = 50


def _next(request: HttpRequest) -> str:
    """Where to go after signing in: only to an address of this site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("access:front-door")


@require_GET
def front_door(request: HttpRequest) -> HttpResponse:
    """`/`: to the sign-in page, to the one organisation of the person, or to a choice of several."""
    if not request.user.is_authenticated:
        return redirect("access:sign-in")
    found = list(queries.organisations_of(request.user))
    if len(found) == 1:
        return redirect("core:home", organisation=found[0].slug)
    return render(request, "access/organisations.html", {"organisations": found})


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect(_next(request))
    form = SignInForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            username = form.cleaned_data["username"]
            if throttle.is_closed(request=request, username=username):
                form.add_error(None, _("Too many attempts failed. Wait a quarter of an hour, then try again."))
                status = 429
            else:
                user = authenticate(request, username=username, password=form.cleaned_data["password"])
                if isinstance(user, User):
                    throttle.succeeded(request=request, username=username)
                    return _enter(request, user)
                throttle.failed(request=request, username=username)
                form.add_error(None, _("User name and password do not belong together."))
    context = {"form": form, "next": _next(request), "has_demo": (settings.DATA_DIR / "demo-accounts.json").exists()}
    return render(request, "access/sign_in.html", context, status=status)


def _enter(request: HttpRequest, user: User) -> HttpResponse:
    """Open the session; a one-time password opens only the page on which it is replaced."""
    target = _next(request)
    if user.preferences.get(people_service.ONE_TIME_FLAG):
        request.session.cycle_key()
        request.session["choosing"] = {"user": user.pk, "since": int(time.time()), "next": target}
        return redirect("access:choose-password")
    login(request, user)
    return redirect(target)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def choose_password(request: HttpRequest) -> HttpResponse:
    """The first sign-in with a one-time password: choose an own one, then enter."""
    choosing = request.session.get("choosing") or {}
    user = User.objects.filter(pk=choosing.get("user") or 0, is_active=True).first()
    if user is None or time.time() - choosing.get("since", 0) > CHOOSING_SECONDS:
        request.session.pop("choosing", None)
        return redirect("access:sign-in")
    form = NewPasswordForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        people_service.choose_password(user=user, password=form.cleaned_data["password"], request=request)
        del request.session["choosing"]
        login(request, user, backend="access.backends.PasswordBackend")
        return redirect(choosing.get("next") or reverse("access:front-door"))
    status = 422 if form.errors else 200
    return render(request, "access/choose_password.html", {"form": form, "person": user}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("access:sign-in")


@login_required
@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Theme and density, from the menu of the shell."""
    form = PreferenceForm(request.POST)
    if not form.is_valid():
        raise Invalid(fields={name: [str(e) for e in errors] for name, errors in form.errors.items()})
    changes = {name: value for name, value in form.cleaned_data.items() if value}
    if changes:
        people_service.save_preferences(user=_person(request), changes=changes)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204)
    return redirect(request.headers.get("Referer") or reverse("access:profile"))


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotFound
    return request.user


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    known = {name: getattr(user, name) for name in ProfileForm.base_fields if name != "single_keys"}
    form = ProfileForm(request.POST or None, initial=known | {"single_keys": user.preferences.get("single_keys", True)})
    if request.method == "POST" and form.is_valid():
        try:
            people_service.save_preferences(user=user, changes=dict(form.cleaned_data))
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("Your profile was saved."))
            return redirect("access:profile")
    return _profile_page(request, form=form)


def _profile_page(
    request: HttpRequest,
    *,
    form: ProfileForm | None = None,
    token_form: TokenForm | None = None,
    password_form: ChangePasswordForm | None = None,
    secret: str = "",
) -> HttpResponse:
    user = _person(request)
    user.refresh_from_db()
    known = {name: getattr(user, name) for name in ProfileForm.base_fields if name != "single_keys"}
    forms = (form, token_form, password_form)
    moment = timezone.now()
    tokens = [(token, token.is_valid_at(moment)) for token in ApiToken.objects.filter(user=user)[:TOKENS_SHOWN]]
    context = {
        "form": form or ProfileForm(initial=known | {"single_keys": user.preferences.get("single_keys", True)}),
        "token_form": token_form or TokenForm(),
        "password_form": password_form or ChangePasswordForm(user=user),
        "tokens": tokens,
        "scope_labels": dict(ApiToken.Scope.choices),
        "secret": secret,
        "organisations": queries.organisations_of(user),
    }
    status = 422 if any(form and form.errors for form in forms) else 200
    with within_organisation(request):
        return render(request, "access/profile.html", context, status=status)


@login_required
@never_cache
@sensitive_post_parameters()
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    form = ChangePasswordForm(request.POST, user=user)
    if not form.is_valid():
        return _profile_page(request, password_form=form)
    people_service.choose_password(user=user, password=form.cleaned_data["password"], request=request)
    update_session_auth_hash(request, user)
    messages.success(request, _("Your password was changed. Other sessions of yours were ended."))
    return redirect("access:profile")


@login_required
@never_cache
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token and show its secret, this once."""
    form = TokenForm(request.POST)
    if form.is_valid():
        try:
            _token, secret = services.create_token(user=_person(request), request=request, **form.cleaned_data)
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            return _profile_page(request, secret=secret)
    return _profile_page(request, token_form=form)


@login_required
@require_POST
def token_revoke(request: HttpRequest, token: str) -> HttpResponse:
    user = _person(request)
    found = ApiToken.objects.filter(user=user, public_id=token).first()
    if found is None:
        raise NotFound
    services.revoke_token(actor=user, token=found, request=request)
    messages.success(request, _("The token “%(name)s” was revoked. It opens nothing any more.") % {"name": found.name})
    return redirect(reverse("access:profile") + "#tokens")


# Administration ----------------------------------------------------------------------------------------------------


def _organisation(request: HttpRequest) -> Organisation:
    """The organisation of the address, for who may manage its people."""
    organisation: Organisation = request.organisation  # type: ignore[attr-defined]
    queries.require(_person(request), "access.manage_people", organisation)
    return organisation


class PeopleTable(Table):
    key = "people"
    noun = ngettext_lazy("%(n)s person", "%(n)s people", "n")
    columns = (
        Column(
            "name",
            gettext_lazy("Name"),
            value=lambda row: str(row.user),
            sort=("user__display_name", "user__username"),
            primary=True,
            template="access/cells/person.html",
        ),
        Column("username", gettext_lazy("User name"), value="user.username", sort="user__username"),
        Column(
            "roles",
            gettext_lazy("Roles"),
            value=lambda row: ", ".join(row.role_words),
            template="access/cells/roles.html",
        ),
        Column("seen", gettext_lazy("Last seen"), value="last_seen_at", sort="last_seen_at", kind="date"),
        Column("joined", gettext_lazy("Joined"), value="joined_at", sort="joined_at", kind="date", shown=False),
        Column("email", gettext_lazy("E-mail"), value="user.email", sort="user__email", shown=False),
        Column("state", gettext_lazy("State"), value="is_active", sort="is_active", template="access/cells/state.html"),
    )
    filters = (
        Choice(
            "state",
            gettext_lazy("State"),
            choices=[("active", gettext_lazy("Active")), ("ended", gettext_lazy("Ended"))],
            lookup=lambda chosen: Q(is_active__in=[value == "active" for value in chosen]),
        ),
        Flag("never", gettext_lazy("Never seen"), Q(last_seen_at=None)),
    )
    search_fields = ("user__display_name", "user__username", "user__email")
    search_label = gettext_lazy("Search people")
    default_sort = "name"

    def row_url(self, row: Membership) -> str:
        return reverse(
            "access:person", kwargs={"organisation": self.context["organisation"].slug, "person": row.user_id}
        )

    def row_key(self, row: Membership) -> str:
        return str(row.user_id)

    def prepare(self, rows: Any) -> None:
        organisation = self.context["organisation"]
        roles = people_service.roles_by_person(organisation=organisation, people=[row.user_id for row in rows])
        for row in rows:
            held = [role for role in roles.get(row.user_id, []) if role.container_kind == "access.organisation"]
            others = len(roles.get(row.user_id, [])) - len(held)
            row.role_words = [str(Organisation.ROLES[one.role][0]) for one in held if one.role != "member"]
            if others:
                row.role_words.append(ngettext("%(n)s in a container", "%(n)s in containers", others) % {"n": others})


@require_GET
def administration(request: HttpRequest, organisation: str) -> HttpResponse:
    _organisation(request)
    return redirect("access:people", organisation=organisation)


@require_GET
def people(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _organisation(request)
    table = PeopleTable(request=request, queryset=people_service.memberships(found), context={"organisation": found})
    return table.respond("access/people.html")


@never_cache
@require_http_methods(["GET", "POST"])
def person_add(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _organisation(request)
    form = PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user, password = people_service.create_person(
                actor=_person(request), organisation=found, request=request, **form.cleaned_data
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            return _person_page(request, user=user, organisation=found, password=password)
    return render(request, "access/person_add.html", {"form": form}, status=422 if form.errors else 200)


def _members(organisation: Organisation) -> QuerySet[User]:
    return User.objects.filter(memberships__organisation=organisation)


def _member(*, organisation: Organisation, person: int) -> User:
    user = _members(organisation).filter(pk=person).first()
    if user is None:
        raise NotFound
    return user


def _person_page(
    request: HttpRequest, *, user: User, organisation: Organisation, password: str = "", error: str = ""
) -> HttpResponse:
    context = {
        "person": user,
        "membership": Membership.objects.get(organisation=organisation, user=user),
        "sheet": people_service.role_sheet(organisation=organisation, user=user),
        "is_at_home": people_service.is_at_home(user=user, organisation=organisation),
        "password": password,
        "error": error,
    }
    return render(request, "access/person.html", context, status=422 if error else 200)


@never_cache
@require_GET
def person(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = _organisation(request)
    return _person_page(request, user=_member(organisation=found, person=person), organisation=found)


@require_POST
def person_roles(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = _organisation(request)
    user = _member(organisation=found, person=person)
    try:
        changed = people_service.set_roles(
            actor=_person(request),
            organisation=found,
            user=user,
            wanted=set(request.POST.getlist("role")),
            request=request,
        )
    except Invalid as error:
        return _person_page(request, user=user, organisation=found, error=str(error.message))
    if changed:
        said = ngettext("%(n)s role changed.", "%(n)s roles changed.", changed) % {"n": changed}
        messages.success(request, said)
    else:
        messages.info(request, _("Nothing was changed."))
    return redirect("access:person", organisation=organisation, person=person)


@never_cache
@require_POST
def person_password(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = _organisation(request)
    user = _member(organisation=found, person=person)
    password = people_service.renew_password(actor=_person(request), organisation=found, user=user, request=request)
    return _person_page(request, user=user, organisation=found, password=password)


@require_POST
def person_remove(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = _organisation(request)
    user = _member(organisation=found, person=person)
    services.remove_member(actor=_person(request), organisation=found, user=user, request=request)
    messages.success(request, _("%(name)s has no access to this organisation any more.") % {"name": user})
    return redirect("access:people", organisation=organisation)


@require_POST
def person_restore(request: HttpRequest, organisation: str, person: int) -> HttpResponse:
    found = _organisation(request)
    user = _member(organisation=found, person=person)
    services.add_member(actor=_person(request), organisation=found, user=user, request=request)
    messages.success(request, _("%(name)s is a member again. Give the roles they need.") % {"name": user})
    return redirect("access:person", organisation=organisation, person=person)


@require_GET
def roles(request: HttpRequest, organisation: str) -> HttpResponse:
    """Who has what: each container with the people behind each role."""
    found = _organisation(request)
    return render(request, "access/roles.html", {"sheet": people_service.who_has_what(found)})
