"""Doors into an organisation and out of it: invitations, requests to join, one's own memberships."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access import people as people_service
from access import proofs, queries, services
from access.errors import InvitationClosed, MemberSuspended
from access.forms import AcceptForm, DecisionForm, InvitationForm, JoinForm, add_errors
from access.models import Invitation, JoinRequest, Membership, Organisation
from access.services import inviters, joining
from access.services.invitation_links import Link
from access.services.tokens import token_digest
from access.views.accounts import signed_in_person
from access.views.people import managed_organisation
from core.errors import Invalid, NotFound
from core.shell import within_organisation
from core.tables import Choice, Column, Table
from core.tenancy import all_tenants, tenant

SESSION_KEY = "invitation"
STATES = {
    "open": gettext_lazy("Waiting"),
    "expired": gettext_lazy("Expired"),
    "accepted": gettext_lazy("Accepted"),
    "withdrawn": gettext_lazy("Withdrawn"),
    "ended": gettext_lazy("Ended"),
}


def _by_state(chosen: list[str]) -> Q:
    now, found = timezone.now(), Q(pk=None)
    waiting = Q(**inviters.WAITING)
    if "open" in chosen:
        found |= waiting & Q(expires_at__gt=now)
    if "expired" in chosen:
        found |= waiting & Q(expires_at__lte=now)
    if "accepted" in chosen:
        found |= Q(accepted_at__isnull=False)
    if "withdrawn" in chosen:
        found |= Q(withdrawn_at__isnull=False)
    if "ended" in chosen:
        found |= Q(ended_at__isnull=False, withdrawn_at=None)
    return found


class InvitationTable(Table):
    key = "invitations"
    noun = ngettext_lazy("%(n)s invitation", "%(n)s invitations", "n")
    columns = (
        Column(
            "email",
            gettext_lazy("E-mail"),
            value="email",
            sort="email",
            primary=True,
            template="access/cells/invitation_email.html",
        ),
        Column("name", gettext_lazy("Name"), value="display_name", sort="display_name"),
        Column("roles", gettext_lazy("Roles"), value=lambda row: ", ".join(row.role_words) or str(_("Member"))),
        Column("by", gettext_lazy("Invited by"), value=lambda row: str(row.invited_by), sort="invited_by__username"),
        Column("sent", gettext_lazy("Sent"), value="sent_at", sort="sent_at", kind="date"),
        Column("until", gettext_lazy("Works until"), value="expires_at", sort="expires_at", kind="date"),
        Column(
            "state",
            gettext_lazy("State"),
            template="access/cells/invitation_state.html",
            csv=lambda row: f"{STATES[row.state]}: {row.end_words}" if row.end_words else str(STATES[row.state]),
        ),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="access/cells/invitation_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (Choice("state", gettext_lazy("State"), choices=list(STATES.items()), lookup=_by_state),)
    search_fields = ("email", "display_name")
    search_label = gettext_lazy("Search invitations")
    default_sort = "-sent"
    empty_template = "access/invitations_empty.html"

    def prepare(self, rows: Any) -> None:
        names = role_names(self.context["organisation"])
        now = timezone.now()
        for row in rows:
            row.state = row.state_at(now)
            row.state_words = STATES[row.state]
            row.end_words = row.get_end_reason_display() if row.state == "ended" else ""
            if row.accepted_by is not None:
                row.end_words = _("by %(name)s") % {"name": row.accepted_by.username}
            row.role_words = [names[key] for key in row.roles if key in names]


def role_names(organisation: Organisation) -> dict[str, str]:
    """ "archive.archive:12:reader" → words, of every role that can be given."""
    return {
        f"{one.container_kind()}:{one.pk}:{role}": f"{label} · {one}"
        for one in people_service.containers_of(organisation)
        for role, (label, _codenames) in one.ROLES.items()
        if not (isinstance(one, Organisation) and role == "member")
    }


@never_cache
@proofs.needed("invitations")
@require_http_methods(["GET", "POST"])
def invitations(request: HttpRequest, organisation: str) -> HttpResponse:
    """Invitations and who asks to join; inviting."""
    found = managed_organisation(request)
    form = InvitationForm(request.POST or None, roles=role_names(found))
    link: Link | None = None
    if request.method == "POST" and form.is_valid():
        try:
            link = joining.invite(
                actor=signed_in_person(request), organisation=found, request=request, **form.cleaned_data
            )
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            form = InvitationForm(roles=role_names(found))
    return _invitations_page(request, found, form=form, link=link)


def _invitations_page(
    request: HttpRequest, found: Organisation, *, form: InvitationForm, link: Link | None = None
) -> HttpResponse:
    rows = Invitation.objects.filter(organisation=found).select_related("invited_by", "accepted_by")
    table = InvitationTable(request=request, queryset=rows, context={"organisation": found})
    asked = JoinRequest.objects.filter(state=JoinRequest.State.PENDING).select_related("user")[:100]
    context = {"form": form, "link": link, "asked": asked, "decision": DecisionForm(roles=role_names(found))}
    answer = table.respond("access/invitations.html", context)
    if form.errors:
        answer.status_code = 422
    return answer


def _invitation(organisation: Organisation, public_id: str) -> Invitation:
    found: Invitation | None = (
        Invitation.objects.select_related("organisation").filter(organisation=organisation, public_id=public_id).first()
    )
    if found is None:
        raise NotFound
    return found


@never_cache
@proofs.needed("invitations")
@require_POST
def invitation_resend(request: HttpRequest, organisation: str, invitation: str) -> HttpResponse:
    found = managed_organisation(request)
    link = joining.resend(actor=signed_in_person(request), invitation=_invitation(found, invitation), request=request)
    return _invitations_page(request, found, form=InvitationForm(roles=role_names(found)), link=link)


@proofs.needed("invitations")
@require_POST
def invitation_withdraw(request: HttpRequest, organisation: str, invitation: str) -> HttpResponse:
    found = managed_organisation(request)
    joining.withdraw(actor=signed_in_person(request), invitation=_invitation(found, invitation), request=request)
    messages.success(request, _("The invitation was withdrawn. Its link opens nothing any more."))
    return redirect("access:invitations", organisation=organisation)


@proofs.needed("join-requests")
@require_POST
def join_decide(request: HttpRequest, organisation: str, asked: str) -> HttpResponse:
    found = managed_organisation(request)
    row = JoinRequest.objects.select_related("organisation", "user").filter(public_id=asked).first()
    if row is None:
        raise NotFound
    form = DecisionForm(request.POST, roles=role_names(found))
    if not form.is_valid():
        raise Invalid(fields={name: [str(e) for e in errors] for name, errors in form.errors.items()})
    accept = request.POST.get("decision") == "accept"
    try:
        joining.decide(
            actor=signed_in_person(request),
            asked=row,
            accept=accept,
            roles=form.cleaned_data["roles"],
            reason=form.cleaned_data["reason"],
            request=request,
        )
    except Invalid as error:
        for sentences in error.fields.values():
            for sentence in sentences:
                messages.error(request, sentence)
        return redirect("access:invitations", organisation=organisation)
    if accept:
        messages.success(request, _("%(name)s is a member now.") % {"name": row.user})
        return redirect("access:person", organisation=organisation, person=row.user_id)
    messages.success(request, _("The request was refused. The person sees the reason."))
    return redirect("access:invitations", organisation=organisation)


# The invited person ----------------------------------------------------------------------------------------------------


@never_cache
@require_GET
def invitation_open(request: HttpRequest, secret: str) -> HttpResponse:
    """The link of the e-mail: the secret moves from the address into the session, so that it is left behind nowhere."""
    request.session[SESSION_KEY] = token_digest(secret)
    answer = redirect("access:invitation")
    answer["Referrer-Policy"] = "no-referrer"
    return answer


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest) -> HttpResponse:
    """Join with the account one is signed in to, by one click; or make an account."""
    digest = request.session.get(SESSION_KEY, "")
    found = joining.find_invitation(digest) if digest else None
    if found is None:
        return _closed(request)
    is_known = request.user.is_authenticated
    initial = {"name": found.email.partition("@")[0].lower(), "display_name": found.display_name}
    form = AcceptForm(request.POST if request.method == "POST" and not is_known else None, initial=initial)
    if request.method == "POST" and is_known:
        try:
            joining.accept(digest=digest, user=signed_in_person(request), request=request)
        except InvitationClosed:
            return _closed(request)
        except MemberSuspended:
            return redirect("access:invitation")
        request.session.pop(SESSION_KEY, None)
        messages.success(request, _("Welcome to %(name)s.") % {"name": found.organisation})
        return redirect("core:home", organisation=found.organisation.slug)
    if request.method == "POST" and form.is_valid():
        try:
            user = joining.accept_as_new(
                digest=digest,
                name=form.cleaned_data["name"],
                display_name=form.cleaned_data["display_name"],
                password=form.cleaned_data["password"],
                request=request,
            )
        except InvitationClosed:
            # Another browser was faster; nothing was made for this one.
            return _closed(request)
        except Invalid as error:
            add_errors(form, error.fields)
        else:
            request.session.pop(SESSION_KEY, None)
            login(request, user, backend="access.backends.PasswordBackend")
            return redirect("core:home", organisation=found.organisation.slug)
    with tenant(found.organisation):
        names = role_names(found.organisation)
        is_suspended = is_known and joining.is_suspended(user=signed_in_person(request), found=found)
    context = {
        "is_suspended": is_suspended,
        "is_own_address": not is_known or joining.owns_address(user=signed_in_person(request), found=found),
        "invitation": found,
        "form": form,
        "roles": [names[key] for key in found.roles if key in names],
        "sign_in": f"{reverse('access:sign-in')}?next={reverse('access:invitation')}",
    }
    return render(request, "access/invitation.html", context, status=422 if form.errors else 200)


def _closed(request: HttpRequest) -> HttpResponse:
    return render(request, "access/invitation_closed.html", {}, status=InvitationClosed.status_code)


# One's own memberships -------------------------------------------------------------------------------------------------


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def my_organisations(request: HttpRequest) -> HttpResponse:
    """Where one is a member, what one asked for, and asking."""
    user = signed_in_person(request)
    form = JoinForm(request.POST or None, initial={"organisation": request.GET.get("organisation", "")})
    if request.method == "POST" and form.is_valid():
        joining.ask_to_join(
            user=user,
            slug=form.cleaned_data["organisation"],
            message=form.cleaned_data["message"],
            request=request,
        )
        # The same words whether there is such an organisation or not.
        messages.success(request, _("If this organisation takes requests, its administrators see yours now."))
        return redirect("access:my-organisations")
    with all_tenants():
        asked = list(JoinRequest.objects.filter(user=user).select_related("organisation")[:20])
        held = [
            (row, people_service.roles_held(user=user, organisation=row.organisation))
            for row in Membership.objects.filter(user=user, is_active=True)
            .select_related("organisation")
            .order_by("organisation__name")
        ]
    with within_organisation(request):
        return render(
            request,
            "access/my_organisations.html",
            {"held": held, "asked": asked, "form": form},
            status=422 if form.errors else 200,
        )


@login_required
@require_POST
def leave(request: HttpRequest, slug: str) -> HttpResponse:
    user = signed_in_person(request)
    found = queries.organisations_of(user).filter(slug=slug).first()
    if found is None:
        raise NotFound
    services.leave(user=user, organisation=found, request=request)
    messages.success(request, _("You left %(name)s. Every right there has ended.") % {"name": found})
    return redirect("access:my-organisations")


@login_required
@require_POST
def join_take_back(request: HttpRequest, asked: str) -> HttpResponse:
    joining.take_back(user=signed_in_person(request), public_id=asked)
    messages.success(request, _("Your request was taken back."))
    return redirect("access:my-organisations")
