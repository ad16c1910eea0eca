"""Addresses of signing in, under the names that django-allauth looks for; `access:…` names the same doors for us."""

from __future__ import annotations

from django.urls import path

from access.sign_in.views import entry, lock, people, security

named = [
    path("accounts/sign-in/", entry.sign_in, name="sign-in"),
    path("accounts/sign-in/passkey/", entry.passkey, name="sign-in-passkey"),
    path("accounts/sign-in/second-factor/", entry.second_factor, name="second-factor"),
    path("accounts/choose-password/", entry.choose_password, name="choose-password"),
    path("accounts/sign-out/", entry.sign_out, name="sign-out"),
    path("accounts/reset/", entry.reset_ask, name="reset-ask"),
    path("accounts/reset/sent/", entry.reset_sent, name="reset-sent"),
    path("accounts/reset/<str:who>/<str:key>/", entry.reset_open, name="reset-open"),
    path("accounts/session/", lock.session, name="session"),
    path("accounts/lock/", lock.lock, name="lock"),
    path("accounts/unlock/", lock.unlock, name="unlock"),
    path("accounts/security/", security.security, name="security"),
    path("accounts/profile/password/", security.change_password, name="change-password"),
    path("accounts/security/address/", security.change_address, name="address-change"),
    path("accounts/security/address/<str:key>/", security.prove_address, name="address-prove"),
    path("accounts/security/app/", security.app_add, name="app-add"),
    path("accounts/security/passkeys/", security.passkey_add, name="passkey-add"),
    path("accounts/security/passkeys/<int:passkey>/name/", security.passkey_rename, name="passkey-rename"),
    path("accounts/security/factors/<int:factor>/remove/", security.factor_remove, name="factor-remove"),
    path("accounts/security/codes/", security.codes_renew, name="codes-renew"),
    path("accounts/security/sessions/<int:session>/end/", security.session_revoke, name="session-revoke"),
    path("accounts/security/sessions/end-others/", security.sessions_revoke_others, name="sessions-revoke-others"),
    path(
        "o/<slug:organisation>/admin/people/<int:person>/second-factors/",
        people.factors_reset,
        name="person-factors-reset",
    ),
]

urlpatterns = [
    path("accounts/sign-in/", entry.sign_in, name="account_login"),
    path("accounts/sign-in/second-factor/", entry.second_factor, name="mfa_authenticate"),
    path("accounts/sign-out/", entry.sign_out, name="account_logout"),
    path("accounts/reset/", entry.reset_ask, name="account_reset_password"),
    path("accounts/security/", security.security, name="account_email"),
    path("accounts/security/", security.security, name="mfa_index"),
    path("accounts/go-on/", entry.pending_or_sign_in, name="account_inactive"),
]
