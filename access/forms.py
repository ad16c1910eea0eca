"""Forms of accounts and people."""

from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from access import explain, people, queries
from access.models import ApiToken, Organisation, RoleContainer, User
from access.services.tokens import default_days, longest_days
from access.sign_in.models import SecurityPolicy
from core.fields import required_when


class SignInForm(forms.Form):
    username = forms.CharField(
        label=_("User name or e-mail"),
        max_length=254,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class NewPasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label=_("The same again"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        self.fields["password"].help_text = password_validators_help_texts()[1]

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        validate_password(password, self.user)
        return password

    def clean(self) -> dict[str, Any]:
        found = self.cleaned_data
        if found.get("password") and found.get("again") and found["password"] != found["again"]:
            self.add_error("again", _("The two are not the same."))
        return found


class ChangePasswordForm(NewPasswordForm):
    current = forms.CharField(
        label=_("Present password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ("current", "password", "again")

    def clean_current(self) -> str:
        if not self.user.check_password(self.cleaned_data["current"]):
            raise forms.ValidationError(_("This is not your present password."))
        return str(self.cleaned_data["current"])


def _time_zones() -> list[tuple[str, str]]:
    return [
        (name, name.replace("_", " "))
        for name in sorted(zoneinfo.available_timezones())
        if "/" in name or name == "UTC"
    ]


class ProfileForm(forms.Form):
    display_name = forms.CharField(
        label=_("Name"),
        max_length=150,
        required=False,
        help_text=_("As others see it in lists, reviews and the audit trail."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=_time_zones, help_text=_("Dates and times are shown in it.")
    )
    language = forms.ChoiceField(label=_("Language"), choices=lambda: settings.LANGUAGES)
    theme = forms.ChoiceField(label=_("Theme"), choices=User.Theme.choices, widget=forms.RadioSelect)
    density = forms.ChoiceField(label=_("Density of lists"), choices=User.Density.choices, widget=forms.RadioSelect)
    single_keys = forms.BooleanField(
        label=_("Single-key shortcuts"),
        required=False,
        help_text=_("j, k, /, g h and the like. Switch them off when you dictate or use a screen reader's own keys."),
    )


class PreferenceForm(forms.Form):
    theme = forms.ChoiceField(choices=User.Theme.choices, required=False)
    density = forms.ChoiceField(choices=User.Density.choices, required=False)


class TokenForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("What uses it, e.g. “research workstation”."))
    scopes = forms.MultipleChoiceField(
        label=_("May"), choices=ApiToken.Scope.choices, widget=forms.CheckboxSelectMultiple, initial=["read"]
    )
    expires_at = forms.DateTimeField(
        label=_("Ends"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("Empty: after 90 days, or sooner where your organisation says so."),
    )


class PersonForm(forms.Form):
    name = forms.CharField(
        label=_("User name"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )
    display_name = forms.CharField(label=_("Name"), max_length=150)
    email = forms.EmailField(label=_("E-mail"), required=False)
    roles = forms.MultipleChoiceField(
        label=_("Roles in the organisation"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Roles in archives, libraries and courses follow on the person's page."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = [(role, label) for role, (label, _permissions) in Organisation.ROLES.items() if role != "member"]
        self.fields["roles"].choices = roles  # type: ignore[attr-defined]


MEMBERS_OFFERED = 100


def _role_choices(container: RoleContainer) -> list[tuple[str, Any]]:
    fixed = {"member"} if isinstance(container, Organisation) else set()
    return [(role, label) for role, (label, _codenames) in container.ROLES.items() if role not in fixed]


class GrantForm(forms.Form):
    person = forms.CharField(label=_("Person"), max_length=150, widget=forms.Select)
    role = forms.ChoiceField(label=_("Role"))
    until = forms.DateField(
        label=_("Until"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, container: RoleContainer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = _role_choices(container)  # type: ignore[attr-defined]
        # Without script the field is a plain choice of the first members; with it, it searches among all.
        first = people.members(container.owning_organisation)[:MEMBERS_OFFERED]
        self.fields["person"].widget.choices = [("", ""), *((one.username, str(one)) for one in first)]  # type: ignore[attr-defined]


class ExplainForm(forms.Form):
    person = forms.ModelChoiceField(label=_("Person"), queryset=User.objects.none(), to_field_name="username")
    permission = forms.ChoiceField(label=_("May do"))
    place = forms.ChoiceField(label=_("In"))

    def __init__(self, *args: Any, organisation: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        containers = people.containers_of(organisation)
        self.containers = {f"{one.container_kind()}:{one.pk}": one for one in containers}
        self.fields["person"].queryset = (  # type: ignore[attr-defined]
            User.objects.filter(memberships__organisation=organisation)
            .filter(Q(memberships__is_active=True) | Q(memberships__suspended_at__isnull=False))
            .order_by("display_name", "username")
        )
        self.fields["place"].choices = [  # type: ignore[attr-defined]
            (key, f"{one} ({one._meta.verbose_name})") for key, one in self.containers.items()
        ]
        self.fields["permission"].choices = [  # type: ignore[attr-defined]
            (
                str(model._meta.verbose_name).capitalize(),
                [
                    (f"{model._meta.app_label}.{codename}", words)
                    for codename, words in explain.permission_names(model).items()
                ],
            )
            for model in dict.fromkeys(type(one) for one in containers)
        ]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        container = self.containers.get(found.get("place", ""))
        permission = found.get("permission", "")
        if container is not None and permission:
            if permission not in {
                f"{container._meta.app_label}.{codename}" for codename in container.assignable_permissions()
            }:
                self.add_error("place", _("This right does not exist in this kind of place."))
            found["container"] = container
        return found


class InvitationForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"), widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    display_name = forms.CharField(label=_("Name"), max_length=150, required=False)
    roles = forms.MultipleChoiceField(label=_("Roles that wait"), required=False, widget=forms.SelectMultiple)
    message = forms.CharField(
        label=_("A word to the person"), max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    days = forms.IntegerField(label=_("Works for how many days"), min_value=1, max_value=90, initial=14)

    def __init__(self, *args: Any, roles: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].choices = list(roles.items())  # type: ignore[attr-defined]


class DecisionForm(forms.Form):
    roles = forms.MultipleChoiceField(label=_("Roles"), required=False, widget=forms.SelectMultiple)
    reason = required_when(_("to refuse"), forms.CharField(label=_("Reason"), max_length=300))

    def __init__(self, *args: Any, roles: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["roles"].choices = list(roles.items())  # type: ignore[attr-defined]


class AcceptForm(forms.Form):
    display_name = forms.CharField(label=_("Name"), max_length=150, help_text=_("As others will see it."))
    name = forms.CharField(
        label=_("User name"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("At least 12 characters."),
    )
    again = forms.CharField(
        label=_("The same again"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("password") and found.get("again") and found["password"] != found["again"]:
            self.add_error("again", _("The two are not the same."))
        return found


class JoinForm(forms.Form):
    organisation = forms.CharField(
        label=_("Address of the organisation"),
        max_length=63,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
        help_text=_("The word after /o/ in its addresses; ask a colleague there."),
    )
    message = forms.CharField(
        label=_("Who you are and what you need"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class OrganisationForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150)
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=_time_zones, help_text=_("New accounts begin with it; day limits follow it.")
    )
    contact_name = forms.CharField(label=_("Contact"), max_length=150, required=False)
    contact_email = forms.EmailField(label=_("E-mail of the contact"), required=False)
    allows_join_requests = forms.BooleanField(
        label=_("People may ask to join"),
        required=False,
        help_text=_("Who knows the address of the organisation can send a request; administrators decide."),
    )
    token_days_max = forms.IntegerField(label=_("Longest life of an API token, in days"), min_value=1, max_value=3650)
    retention_days = forms.IntegerField(
        label=_("Days images are kept at least"),
        min_value=1,
        max_value=36_525,
        required=False,
        help_text=_(
            "After the last image of a study came in. Until then nobody can delete it from a clinical or trial archive. "
            "Ten years are 3653 days. Empty: whoever may delete decides. Nothing is ever deleted by itself."
        ),
    )


class SecurityPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = SecurityPolicy
        fields = ("mfa_required", "idle_lock_minutes", "session_hours")


class LogoForm(forms.Form):
    logo = forms.FileField(
        label=_("Picture"),
        widget=forms.FileInput(attrs={"accept": "image/png,image/jpeg"}),
        help_text=_("PNG or JPEG, at most 2 MB. It is drawn anew at 96 pixels height."),
    )


class NewOrganisationForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150)
    slug = forms.CharField(
        label=_("Address"),
        max_length=63,
        help_text=_("Lower-case letters, digits and hyphens, as in /o/radiology/. It stays."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=_time_zones, initial="UTC")
    administrator = forms.CharField(
        label=_("First administrator"),
        max_length=150,
        help_text=_("An account that there is (ada@elsewhere), or a name for a new one (ada)."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )
    display_name = forms.CharField(label=_("Name of the administrator"), max_length=150, required=False)
    email = forms.EmailField(label=_("E-mail of the administrator"), required=False)


class QuotaForm(forms.Form):
    storage_gb = forms.DecimalField(
        label=_("Storage in GB"),
        min_value=0,
        max_value=9_000_000,
        max_digits=12,
        decimal_places=3,
        required=False,
        help_text=_("Empty: no limit. What is stored already stays; new images are refused."),
    )
    people = forms.IntegerField(
        label=_("People"), min_value=1, max_value=1_000_000, required=False, help_text=_("Empty: no limit.")
    )


class SuspensionForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=300, help_text=_("The members read it."))


class ServiceAccountForm(forms.Form):
    name = forms.CharField(
        label=_("User name"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )
    display_name = forms.CharField(label=_("What it is"), max_length=150, help_text=_("E.g. “AI server, chest”."))


class ReachTokenForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100, help_text=_("What uses it, e.g. “research workstation”."))
    scopes = forms.MultipleChoiceField(
        label=_("May"), choices=ApiToken.Scope.choices, widget=forms.CheckboxSelectMultiple, initial=["read"]
    )
    containers = forms.MultipleChoiceField(
        label=_("Only in"),
        required=False,
        widget=forms.SelectMultiple,
        help_text=_("Choose none: wherever the account may go."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        longest = longest_days(user)
        self.fields["days"] = forms.IntegerField(
            label=_("Ends after how many days"),
            min_value=1,
            max_value=longest,
            initial=default_days(user),
            help_text=_("At most %(days)s in your organisations.") % {"days": longest},
        )
        self.order_fields(("name", "scopes", "days", "containers"))
        self.fields["containers"].choices = [  # type: ignore[attr-defined]
            (one.key, f"{one.container} ({one.container._meta.verbose_name})") for one in queries.reach_of(user)
        ]


class PeopleListForm(forms.Form):
    file = required_when(
        _("or the lines below"),
        forms.FileField(label=_("CSV file"), widget=forms.FileInput(attrs={"accept": ".csv,text/csv"})),
    )
    text = required_when(
        _("or a file"),
        forms.CharField(label=_("Lines"), max_length=200_000, widget=forms.Textarea(attrs={"rows": 8})),
    )


def add_errors(form: forms.BaseForm, fields: dict[str, list[str]]) -> None:
    """Put the sentences of an `Invalid` on the fields they belong to."""
    for name, sentences in fields.items():
        for sentence in sentences:
            form.add_error(name if name in form.fields else None, sentence)
