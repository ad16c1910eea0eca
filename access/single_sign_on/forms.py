"""Forms of single sign-on."""

from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from access.single_sign_on.models import Directory, IdentityProvider, RoleRule, SignOn

DOMAIN = re.compile(r"(?=.{1,253}\Z)([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
WORDS_MOST = 50


class FindForm(forms.Form):
    wanted = forms.CharField(
        label=_("E-mail or organisation"),
        max_length=254,
        help_text=_("Your address at work, or your organisation's short name here."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autofocus": True}),
    )


class WordsField(forms.CharField):
    """Words with commas or spaces between them; a list in the model."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        words = [word for word in re.split(r"[,\s]+", str(value or "").strip().lower()) if word]
        return list(dict.fromkeys(words))[:WORDS_MOST]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(data) != (initial or []))


class SignOnForm(forms.ModelForm):  # type: ignore[type-arg]
    """Settings with a secret that is taken and never shown."""

    secret_field = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["secret"].required = self.secret_needed and not self.has_secret
        if self.has_secret:
            self.fields["secret"].help_text = _("One is kept; it is not shown. Leave this empty to keep it.")

    secret_needed = False

    @property
    def has_secret(self) -> bool:
        return bool(self.instance.pk and getattr(self.instance, self.secret_field))

    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "secret"}

    def secret(self) -> str | None:
        """None to keep the present one."""
        return self.cleaned_data.get("secret") or None

    def _post_clean(self) -> None:
        """The service validates and saves; nothing is written into the row that is being looked at."""


class ProviderForm(SignOnForm):
    secret_field = "sealed_secret"
    secret = forms.CharField(  # type: ignore[assignment]
        label=_("Client secret"),
        max_length=1000,
        strip=True,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    domains = WordsField(
        label=_("E-mail domains"),
        required=False,
        max_length=2000,
        help_text=_(
            "Who types an address of these on the sign-in page is led here, once you have proven that the domain is yours. "
            "With commas: hospital.org, uni.edu"
        ),
    )
    second_factor_values = WordsField(
        label=_("Values that mean a second factor"),
        required=False,
        max_length=2000,
        help_text=_("Of amr and acr; the usual ones are filled in."),
    )

    class Meta:
        model = IdentityProvider
        fields = (
            "label",
            "issuer",
            "client_id",
            "scopes",
            "name_claim",
            "reads_userinfo",
            "creates_accounts",
            "admits",
            "domains",
            "trusts_email",
            "counts_second_factor",
            "second_factor_values",
            "signs_out",
        )

    def clean_domains(self) -> list[str]:
        found: list[str] = self.cleaned_data["domains"]
        bad = [one for one in found if not DOMAIN.fullmatch(one)]
        if bad:
            raise forms.ValidationError(_("This is not a domain: %(domain)s") % {"domain": bad[0][:60]})
        return found

    def clean_issuer(self) -> str:
        from access.single_sign_on.errors import ProviderUnreachable
        from access.single_sign_on.fetching import check_address

        issuer: str = self.cleaned_data["issuer"].strip()
        if issuer.endswith("/.well-known/openid-configuration"):
            issuer = issuer.removesuffix("/.well-known/openid-configuration")
        try:
            check_address(issuer, code="issuer")
        except ProviderUnreachable as error:
            raise forms.ValidationError(_("Type an address that begins with https://.")) from error
        return issuer

    def clean_scopes(self) -> str:
        scopes = self.cleaned_data["scopes"].split()
        return " ".join(dict.fromkeys(["openid", *scopes]))

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = self.cleaned_data
        if found.get("trusts_email") and not found.get("domains"):
            self.add_error("trusts_email", _("Name the domains it is trusted for."))
        return found


class DirectoryForm(SignOnForm):
    secret_field = "sealed_password"
    secret_needed = True
    secret = forms.CharField(  # type: ignore[assignment]
        label=_("Password for searching"),
        max_length=1000,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = Directory
        fields = (
            "label",
            "address",
            "authorities",
            "bind_name",
            "people_base",
            "people_filter",
            "id_attribute",
            "name_attribute",
            "email_attribute",
            "groups_base",
            "groups_filter",
            "member_attribute",
            "nests_groups",
            "creates_accounts",
            "admits",
            "takes_over_names",
        )
        widgets = {"authorities": forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"})}

    def clean(self) -> dict[str, Any]:
        from access.single_sign_on import ldap

        found: dict[str, Any] = self.cleaned_data
        for name, problem in ldap.problems(found).items():
            if name not in self.errors:
                self.add_error(name, problem)
        return found


class RuleForm(forms.Form):
    claim = forms.CharField(label=_("Claim"), max_length=200, initial="groups")
    how = forms.ChoiceField(label=_("Comparison"), choices=RoleRule.How.choices)
    value = forms.CharField(label=_("Value"), max_length=500)
    role = forms.ChoiceField(label=_("Role"))

    def __init__(self, *args: Any, roles: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = list(roles.items())  # type: ignore[attr-defined]


class PreviewForm(forms.Form):
    claims = forms.CharField(
        label=_("Claims"),
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 8, "class": "mono", "spellcheck": "false"}),
        help_text=_("The payload of an ID token or the answer of the userinfo address, as JSON. It is not kept."),
    )

    def clean_claims(self) -> dict[str, Any]:
        try:
            found = json.loads(self.cleaned_data["claims"])
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This is not JSON.")) from error
        if not isinstance(found, dict):
            raise forms.ValidationError(_("Paste a JSON object: it begins with { and ends with }."))
        return found


class TryForm(forms.Form):
    name = forms.CharField(
        label=_("User name"),
        max_length=150,
        help_text=_("Without @. The directory is asked for the person; no password is needed and nothing is changed."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def form_for(model: type[SignOn]) -> type[SignOnForm]:
    return DirectoryForm if model is Directory else ProviderForm
