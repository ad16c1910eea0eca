"""Addresses of single sign-on, as part of `access:…`."""

from __future__ import annotations

from django.urls import path

from access.single_sign_on.views import administration, back_channel, entry

ADMINISTRATION = "o/<slug:organisation>/admin/sign-on/"
ONE = f"{ADMINISTRATION}<slug:kind>/<slug:sign_on>/"

named = [
    path("accounts/sign-on/", entry.find, name="sign-on-find"),
    path("accounts/sign-on/<slug:provider>/", entry.start, name="sign-on"),
    path("accounts/sign-on/<slug:provider>/callback/", entry.callback, name="sign-on-callback"),
    path("accounts/sign-on/<slug:provider>/back-channel-logout/", back_channel.sign_out, name="sign-on-back-channel"),
    path("accounts/sign-on/<slug:provider>/prove/", entry.prove, name="sign-on-prove"),
    path("accounts/sign-on-proven/", entry.proven, name="sign-on-proven"),
    path("accounts/sign-on/<slug:provider>/connect/", entry.connect, name="sign-on-connect"),
    path("accounts/sign-on/links/<int:account>/disconnect/", entry.disconnect, name="sign-on-disconnect"),
    path("accounts/own-sign-in/", entry.own_sign_in, name="own-sign-in"),
    path(ADMINISTRATION, administration.overview, name="sso-list"),
    path(f"{ADMINISTRATION}domains/<slug:domain>/check/", administration.domain_check, name="sso-domain-check"),
    path(f"{ADMINISTRATION}<slug:kind>/add/", administration.add, name="sso-add"),
    path(ONE, administration.detail, name="sso"),
    path(f"{ONE}test/", administration.test, name="sso-test"),
    path(f"{ONE}switch/", administration.switch, name="sso-switch"),
    path(f"{ONE}delete/", administration.delete, name="sso-delete"),
    path(f"{ONE}preview/", administration.preview, name="sso-preview"),
    path(f"{ONE}look-up/", administration.look_up, name="sso-look-up"),
    path(f"{ONE}rules/", administration.rule_add, name="sso-rule-add"),
    path(f"{ONE}rules/<int:rule>/remove/", administration.rule_remove, name="sso-rule-remove"),
]
