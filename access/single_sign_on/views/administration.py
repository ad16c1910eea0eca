"""Doors of the administration of single sign-on: one set of pages for providers and directories."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import proofs
from access.forms import add_errors
from access.models import Organisation
from access.single_sign_on import adapter, domains, exchange, queries, rights, services
from access.single_sign_on.errors import SecretUnreadable, SignOnRefused
from access.single_sign_on.forms import PreviewForm, RuleForm, TryForm, form_for
from access.single_sign_on.models import Directory, IdentityProvider, SignOn
from access.single_sign_on.words import outcome_words
from access.views.accounts import signed_in_person
from core.errors import Invalid, NotFound

KINDS: dict[str, type[SignOn]] = {"providers": IdentityProvider, "directories": Directory}


def _organisation(request: HttpRequest) -> Organisation:
    organisation: Organisation = request.organisation  # type: ignore[attr-defined]
    services.authorise(actor=signed_in_person(request), organisation=organisation)
    return organisation


def _model(kind: str) -> type[SignOn]:
    if kind not in KINDS:
        raise NotFound
    return KINDS[kind]


def _found(request: HttpRequest, kind: str, sign_on: str) -> SignOn:
    return services.find(organisation=_organisation(request), public_id=sign_on, model=_model(kind))


def kind_of(sign_on: SignOn) -> str:
    return "directories" if isinstance(sign_on, Directory) else "providers"


def _there(sign_on: SignOn, anchor: str = "") -> HttpResponse:
    where = {"organisation": sign_on.organisation.slug, "kind": kind_of(sign_on), "sign_on": sign_on.public_id}
    return redirect(reverse("access:sso", kwargs=where) + (f"#{anchor}" if anchor else ""))


@require_GET
def overview(request: HttpRequest, organisation: str) -> HttpResponse:
    found = _organisation(request)
    rows: list[Any] = list(queries.sign_ons_of(found))
    for row in rows:
        row.kind = kind_of(row)
        row.kind_words = row._meta.verbose_name
        row.people = queries.links_of(row).count()
        row.latest = next(iter(queries.latest_events(row, limit=1)), None)
        row.latest_words = outcome_words(row.latest.outcome) if row.latest else ""
    address = request.build_absolute_uri(f"{reverse('access:sign-in')}?organisation={found.slug}")
    return render(request, "access/sso_list.html", {"rows": rows, "sign_in_address": address})


@never_cache
@sensitive_post_parameters("secret")
@proofs.needed("sign-on")
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, organisation: str, kind: str) -> HttpResponse:
    found, model = _organisation(request), _model(kind)
    form = form_for(model)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = services.add(
                actor=signed_in_person(request),
                organisation=found,
                model=model,
                values=form.values(),
                secret=form.secret() or "",
                request=request,
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("It was added. Test the connection, add rules, then switch it on."))
            return _there(row)
    context = {"form": form, "kind": kind, "is_directory": model is Directory}
    return render(request, "access/sso_add.html", context, status=422 if form.errors else 200)


@never_cache
@sensitive_post_parameters("secret")
@proofs.needed("sign-on")
@require_http_methods(["GET", "POST"])
def detail(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    row = _found(request, kind, sign_on)
    form = form_for(type(row))(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        try:
            services.change(
                actor=signed_in_person(request),
                sign_on=row,
                values=form.values(),
                secret=form.secret(),
                request=request,
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            messages.success(request, _("The settings were saved."))
            return _there(row)
    return _page(request, row, form=form)


def _page(request: HttpRequest, row: SignOn, **more: Any) -> HttpResponse:
    from access.views.joining import role_names

    events = queries.latest_events(row)
    organisation = row.organisation
    roles = role_names(organisation) | {
        f"{Organisation.container_kind()}:{organisation.pk}:member": str(_("Member of the organisation"))
    }
    context: dict[str, Any] = {
        "row": row,
        "kind": kind_of(row),
        "is_directory": isinstance(row, Directory),
        "form": form_for(type(row))(instance=row),
        "rules": queries.rule_lines(row),
        "rule_form": RuleForm(roles=roles),
        "preview_form": PreviewForm(),
        "try_form": TryForm(),
        "domains": domains.of_provider(row) if isinstance(row, IdentityProvider) else [],
        "events": [(event, outcome_words(event.outcome)) for event in events],
        "people": list(queries.links_of(row)[:200]),
        "callback": adapter.callback_address(row.public_id),
        "back_channel": adapter.back_channel_address(row.public_id),
        "after_sign_out": adapter.after_sign_out_address(),
    } | more
    if isinstance(context["rule_form"], dict):
        context["rule_form"] = RuleForm(context["rule_form"], roles=roles)
    bad = any(getattr(value, "errors", None) for name, value in context.items() if name.endswith("form"))
    return render(request, "access/sso.html", context, status=422 if bad else 200)


@require_POST
def test(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    row = _found(request, kind, sign_on)
    problem = services.try_connection(actor=signed_in_person(request), sign_on=row, request=request)
    if problem is None:
        messages.success(request, _("The connection works."))
    else:
        words, hint = outcome_words(problem.code), getattr(problem, "hint", "")
        messages.error(request, f"{words} ({hint})" if hint and hint.casefold() != words.casefold() else words)
    return _there(row)


@proofs.needed("sign-on")
@require_POST
def switch(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    row = _found(request, kind, sign_on)
    on = request.POST.get("on") == "1"
    services.switch(actor=signed_in_person(request), sign_on=row, on=on, request=request)
    messages.success(request, _("It is in use.") if on else _("It is off, and sessions that began by it have ended."))
    return _there(row)


@proofs.needed("sign-on")
@require_POST
def delete(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    row = _found(request, kind, sign_on)
    ended = services.delete(actor=signed_in_person(request), sign_on=row, request=request)
    said = ngettext("It was deleted; %(n)s membership ended.", "It was deleted; %(n)s memberships ended.", ended)
    messages.success(request, said % {"n": ended})
    return redirect("access:sso-list", organisation=organisation)


@proofs.needed("sign-on")
@require_POST
def rule_add(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    row = _found(request, kind, sign_on)
    wanted = {name: request.POST.get(name, "") for name in ("claim", "how", "value", "role")}
    if not all(value.strip() for value in wanted.values()):
        return _page(request, row, rule_form=wanted)
    try:
        services.add_rule(actor=signed_in_person(request), sign_on=row, request=request, **wanted)
    except Invalid as error:
        messages.error(request, " ".join(str(one) for many in error.fields.values() for one in many))
    else:
        messages.success(request, _("The rule was added. It holds from each person's next sign-in on."))
    return _there(row, "rules")


@proofs.needed("sign-on")
@require_POST
def rule_remove(request: HttpRequest, organisation: str, kind: str, sign_on: str, rule: int) -> HttpResponse:
    row = _found(request, kind, sign_on)
    services.remove_rule(actor=signed_in_person(request), sign_on=row, rule=rule, request=request)
    messages.success(request, _("The rule was removed. Roles it gave end with each person's next sign-in."))
    return _there(row, "rules")


@proofs.needed("sign-on")
@require_POST
def domain_check(request: HttpRequest, organisation: str, domain: str) -> HttpResponse:
    """Have the DNS record looked up that proves an e-mail domain."""
    found = _organisation(request)
    domains.ask(actor=signed_in_person(request), organisation=found, public_id=domain)
    messages.info(request, _("The record is being looked up. Reload this page in a few seconds."))
    provider = IdentityProvider.objects.select_related("organisation").filter(
        organisation=found, public_id=request.POST.get("provider", "")
    )
    row = provider.first()
    return _there(row, "domains") if row is not None else redirect("access:sso-list", organisation=organisation)


@never_cache
@require_POST
def preview(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    """What somebody with these claims would get; nothing is changed and nothing is kept."""
    row = _found(request, kind, sign_on)
    form = PreviewForm(request.POST)
    if not form.is_valid():
        return _page(request, row, preview_form=form)
    found = rights.claimed(sign_on=row, claims=form.cleaned_data["claims"])
    return _page(request, row, preview_form=form, preview=found)


@never_cache
@require_POST
def look_up(request: HttpRequest, organisation: str, kind: str, sign_on: str) -> HttpResponse:
    """Ask the directory for one person and show what would follow."""
    from access.single_sign_on import ldap

    row = _found(request, kind, sign_on)
    if not isinstance(row, Directory):
        raise NotFound
    form = TryForm(request.POST)
    if not form.is_valid():
        return _page(request, row, try_form=form)
    try:
        with exchange.with_provider(row, is_trial=True):
            entry = ldap.look_up(row, name=form.cleaned_data["name"])
    except (SignOnRefused, SecretUnreadable) as error:
        form.add_error("name", outcome_words(error.code))
        return _page(request, row, try_form=form)
    if entry is None:
        form.add_error("name", _("The directory knows nobody of this name below the base, by this filter."))
        return _page(request, row, try_form=form)
    found = rights.claimed(sign_on=row, claims=entry.claims)
    return _page(request, row, try_form=form, preview=found, entry=entry)
