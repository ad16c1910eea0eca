"""Doors of tokens and service accounts, for administrators of an organisation."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import proofs, queries, services
from access.forms import ReachTokenForm, ServiceAccountForm, add_errors
from access.models import ApiToken, Organisation, User
from access.views.accounts import signed_in_person
from access.views.people import managed_organisation
from access.views.tokens import token_lines, wanted_token
from core.errors import Invalid, NotFound
from core.tables import Choice, Column, Flag, Table

STATES = {
    "valid": gettext_lazy("Valid"),
    "rotated": gettext_lazy("Replaced, still works"),
    "out": gettext_lazy("Shut out here"),
    "ended": gettext_lazy("Ended"),
    "revoked": gettext_lazy("Revoked"),
}


def _by_state(chosen: list[str]) -> Q:
    now, found = timezone.now(), Q(pk=None)
    lives = Q(revoked_at=None, expires_at__gt=now)
    if "valid" in chosen:
        found |= lives & Q(replaced_by=None)
    if "rotated" in chosen:
        found |= lives & Q(replaced_by__isnull=False)
    if "ended" in chosen:
        found |= Q(revoked_at=None, expires_at__lte=now)
    if "revoked" in chosen:
        found |= Q(revoked_at__isnull=False)
    return found


class ReachingTable(Table):
    key = "tokens"
    noun = ngettext_lazy("%(n)s token", "%(n)s tokens", "n")
    columns = (
        Column("name", gettext_lazy("Token"), value="name", sort="name", primary=True),
        Column("owner", gettext_lazy("Stands for"), value=lambda row: str(row.user), sort="user__display_name"),
        Column(
            "maker",
            gettext_lazy("Made by"),
            value=lambda row: row.maker_words,
            template="access/cells/token_maker.html",
        ),
        Column("prefix", gettext_lazy("Begins with"), value=lambda row: f"{row.prefix}…", shown=False),
        Column("scopes", gettext_lazy("May"), value=lambda row: ", ".join(row.scopes)),
        Column("reach", gettext_lazy("Only in"), value=lambda row: row.reach),
        Column("used", gettext_lazy("Last used"), value="last_used_at", sort="last_used_at", kind="date"),
        Column("from", gettext_lazy("From"), value=lambda row: row.last_used_from or ""),
        Column("ends", gettext_lazy("Ends"), value="expires_at", sort="expires_at", kind="date"),
        Column(
            "state",
            gettext_lazy("State"),
            template="access/cells/token_state.html",
            csv=lambda row: str(STATES[row.state]),
        ),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="access/cells/token_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (
        Choice(
            "state",
            gettext_lazy("State"),
            choices=[(key, label) for key, label in STATES.items() if key != "out"],
            lookup=_by_state,
        ),
        Flag("service", gettext_lazy("Service accounts"), Q(user__service_of__isnull=False)),
        Flag("unused", gettext_lazy("Never used"), Q(last_used_at=None)),
    )
    search_fields = ("name", "user__display_name", "user__username", "prefix")
    search_label = gettext_lazy("Search tokens")
    default_sort = "-used"
    empty_template = "access/tokens_empty.html"

    def prepare(self, rows: Any) -> None:
        organisation: Organisation = self.context["organisation"]
        names = {f"{one.container_kind()}:{one.pk}": str(one) for one in people_service.containers_of(organisation)}
        now = timezone.now()
        administrators = set(queries.people_who_may("access.manage_people", organisation).values_list("pk", flat=True))
        for row in rows:
            # Places of other organisations are not named here.
            row.reach = ", ".join(names[key] for key in row.containers if key in names)
            row.is_out = organisation.pk in row.shut_out_of
            row.state = row.state_at(now)
            if row.is_out and row.state in ("valid", "rotated"):
                row.state = "out"
            row.state_words = STATES[row.state]
            row.is_ours = row.user.service_of_id == organisation.pk
            # Of people's own tokens the owner says enough; the secret of a service account's is known to who made it.
            row.maker_words = str(row.created_by) if row.is_ours and row.created_by is not None else ""
            row.is_maker_gone = bool(row.maker_words) and row.created_by_id not in administrators


@never_cache
@require_GET
def reaching_tokens(request: HttpRequest, organisation: str) -> HttpResponse:
    """Every token that could open something of the organisation."""
    found = managed_organisation(request)
    table = ReachingTable(request=request, queryset=queries.tokens_reaching(found), context={"organisation": found})
    return table.respond("access/reaching_tokens.html")


@proofs.needed("tokens-of-others")
@require_POST
def token_act(request: HttpRequest, organisation: str, token: str, act: str) -> HttpResponse:
    """Shut a token out of the organisation, let it in again, or revoke one of a service account."""
    found = managed_organisation(request)
    actor = signed_in_person(request)
    row = queries.tokens_reaching(found).filter(public_id=token).first()
    if row is None:
        raise NotFound
    if act == "revoke":
        services.revoke_token(actor=actor, token=row, request=request)
        messages.success(request, _("The token was revoked. It opens nothing any more."))
    elif act in ("shut-out", "let-in"):
        services.shut_out_token(actor=actor, organisation=found, token=row, is_out=act == "shut-out", request=request)
        said = (
            _("The token is shut out of this organisation.") if act == "shut-out" else _("The token may come in again.")
        )
        messages.success(request, said)
    else:
        raise NotFound
    if request.POST.get("back") == "account":
        return redirect("access:service-account", organisation=organisation, account=row.user_id)
    return redirect("access:reaching-tokens", organisation=organisation)


@never_cache
@proofs.needed("service-accounts")
@require_http_methods(["GET", "POST"])
def service_accounts(request: HttpRequest, organisation: str) -> HttpResponse:
    found = managed_organisation(request)
    form = ServiceAccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = people_service.create_service_account(
                actor=signed_in_person(request), organisation=found, request=request, **form.cleaned_data
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            return redirect("access:service-account", organisation=organisation, account=made.pk)
    accounts = people_service.service_accounts(found)
    context = {"form": form, "accounts": accounts}
    return render(request, "access/service_accounts.html", context, status=422 if form.errors else 200)


@never_cache
@proofs.needed("tokens")
@require_http_methods(["GET", "POST"])
def service_account(request: HttpRequest, organisation: str, account: int) -> HttpResponse:
    """One service account: its tokens, a new one, a rotated one."""
    found = managed_organisation(request)
    actor = signed_in_person(request)
    user = User.objects.filter(service_of=found, pk=account).first()
    if user is None:
        raise NotFound
    rotated = request.POST.get("rotate", "")
    form = ReachTokenForm(request.POST if request.method == "POST" and not rotated else None, user=user)
    secret = ""
    if rotated:
        row = ApiToken.objects.filter(user=user, public_id=rotated).first()
        if row is None:
            raise NotFound
        _made, secret = services.rotate_token(actor=actor, token=row, request=request)
    elif request.method == "POST" and form.is_valid():
        try:
            _made, secret = services.create_token(actor=actor, user=user, request=request, **wanted_token(form))
        except Invalid as error:
            add_errors(form, {"days" if name == "expires_at" else name: said for name, said in error.fields.items()})
        else:
            form = ReachTokenForm(user=user)
    context = {
        "account": user,
        "form": form,
        "lines": token_lines(user=user),
        "roles": people_service.roles_held(user=user, organisation=found),
        "scope_labels": dict(ApiToken.Scope.choices),
        "secret": secret,
    }
    return render(request, "access/service_account.html", context, status=422 if form.errors else 200)
