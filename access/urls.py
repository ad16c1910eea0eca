"""Addresses of accounts and of the administration of people."""

from __future__ import annotations

from django.urls import path

from access.break_glass.urls import urlpatterns as break_glass
from access.sharing.urls import urlpatterns as sharing
from access.sign_in.urls import named
from access.single_sign_on.urls import named as single_sign_on
from access.views import (
    accounts,
    containers,
    importing,
    installation,
    joining,
    looking,
    organisation,
    people,
    service_accounts,
    tokens,
)

app_name = "access"

CONTAINER = "o/<slug:organisation>/access/<str:kind>/<int:container>/"

urlpatterns = [
    *named,
    *single_sign_on,
    path("", accounts.front_door, name="front-door"),
    path("accounts/preferences/", accounts.preferences, name="preferences"),
    path("accounts/profile/", accounts.profile, name="profile"),
    path("accounts/profile/tokens/", tokens.token_create, name="token-create"),
    path("accounts/profile/tokens/<str:token>/revoke/", tokens.token_revoke, name="token-revoke"),
    path("accounts/tokens/", tokens.my_tokens, name="my-tokens"),
    path("accounts/tokens/<str:token>/rotate/", tokens.token_rotate, name="token-rotate"),
    path("accounts/organisations/", joining.my_organisations, name="my-organisations"),
    path("accounts/organisations/<slug:slug>/leave/", joining.leave, name="leave"),
    path("accounts/join-requests/<str:asked>/take-back/", joining.join_take_back, name="join-take-back"),
    path("accounts/invitation/", joining.invitation, name="invitation"),
    path("accounts/invitation/<str:secret>/", joining.invitation_open, name="invitation-open"),
    path("installation/", installation.installation, name="installation"),
    path("installation/new/", installation.organisation_new, name="installation-new"),
    path("installation/organisations/<slug:slug>/", installation.organisation, name="installation-organisation"),
    path(
        "installation/organisations/<slug:slug>/domains/<slug:domain>/<slug:act>/",
        installation.domain_act,
        name="installation-domain",
    ),
    path("installation/organisations/<slug:slug>/suspend/", installation.organisation_suspend, name="suspend"),
    path("installation/organisations/<slug:slug>/resume/", installation.organisation_resume, name="resume"),
    path("o/<slug:organisation>/logo.png", organisation.logo, name="logo"),
    path("o/<slug:organisation>/admin/settings/", organisation.organisation_settings, name="organisation-settings"),
    path("o/<slug:organisation>/admin/settings/sign-in/", organisation.security_policy, name="security-policy"),
    path("o/<slug:organisation>/admin/settings/logo/", organisation.logo_change, name="logo-change"),
    path("o/<slug:organisation>/admin/invitations/", joining.invitations, name="invitations"),
    path(
        "o/<slug:organisation>/admin/invitations/<str:invitation>/resend/",
        joining.invitation_resend,
        name="invitation-resend",
    ),
    path(
        "o/<slug:organisation>/admin/invitations/<str:invitation>/withdraw/",
        joining.invitation_withdraw,
        name="invitation-withdraw",
    ),
    path("o/<slug:organisation>/admin/requests/<str:asked>/", joining.join_decide, name="join-decide"),
    path("o/<slug:organisation>/admin/people/import/", importing.people_import, name="people-import"),
    path("o/<slug:organisation>/admin/tokens/", service_accounts.reaching_tokens, name="reaching-tokens"),
    path("o/<slug:organisation>/admin/tokens/<str:token>/<slug:act>/", service_accounts.token_act, name="token-act"),
    path("o/<slug:organisation>/admin/service-accounts/", service_accounts.service_accounts, name="service-accounts"),
    path(
        "o/<slug:organisation>/admin/service-accounts/<int:account>/",
        service_accounts.service_account,
        name="service-account",
    ),
    path("o/<slug:organisation>/admin/", people.administration, name="administration"),
    path("o/<slug:organisation>/admin/people/", people.people, name="people"),
    path("o/<slug:organisation>/admin/people/add/", people.person_add, name="person-add"),
    path("o/<slug:organisation>/admin/people/<int:person>/", people.person, name="person"),
    path("o/<slug:organisation>/admin/people/<int:person>/roles/", people.person_roles, name="person-roles"),
    path("o/<slug:organisation>/admin/people/<int:person>/password/", people.person_password, name="person-password"),
    path("o/<slug:organisation>/admin/people/<int:person>/remove/", people.person_remove, name="person-remove"),
    path("o/<slug:organisation>/admin/people/<int:person>/suspend/", people.person_suspend, name="person-suspend"),
    path("o/<slug:organisation>/admin/people/<int:person>/restore/", people.person_restore, name="person-restore"),
    path("o/<slug:organisation>/admin/roles/", containers.roles, name="roles"),
    path("o/<slug:organisation>/admin/roles/matrix/", containers.matrix, name="matrix"),
    path("o/<slug:organisation>/admin/explain/", containers.explain, name="explain"),
    path(f"{CONTAINER}", containers.container, name="container"),
    path(f"{CONTAINER}people.json", containers.people_choices, name="container-people"),
    path(f"{CONTAINER}give/", containers.grant_add, name="grant-add"),
    path(f"{CONTAINER}undo/", containers.grant_undo, name="grant-undo"),
    path(f"{CONTAINER}<int:grant>/take/", containers.grant_end, name="grant-end"),
    path(f"{CONTAINER}<int:grant>/until/", containers.grant_limit, name="grant-limit"),
    path("o/<slug:organisation>/admin/people/<int:person>/view-as/", looking.view_as_start, name="view-as-start"),
    path("o/<slug:organisation>/view-as/", looking.view_as, name="view-as"),
    path("o/<slug:organisation>/view-as/end/", looking.view_as_end, name="view-as-end"),
    *sharing,
    *break_glass,
]
