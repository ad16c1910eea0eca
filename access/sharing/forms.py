from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from access.grant_policy import GrantPolicy
from access.sharing.models import Share
from access.sharing.registry import Shareable
from core.fields import required_when


def end_of_day(day: date) -> datetime:
    """The last second of a day where the person is."""
    return timezone.make_aware(datetime.combine(day, time(23, 59, 59)))


class ShareForm(forms.Form):
    """One thing to one person or by link; what the policy does not allow is not offered."""

    audience = forms.ChoiceField(label=_("Share with"), widget=forms.RadioSelect)
    recipient_login = required_when(
        _("for a person"),
        forms.CharField(
            label=_("User name or e-mail address"),
            max_length=254,
            help_text=_(
                "Exactly as the person signs in. Nobody is told whether such an account exists; it opens for them as soon "
                "as it does."
            ),
            widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
        ),
    )
    recipient_name = forms.CharField(
        label=_("Recipient"), max_length=150, help_text=_("Who gets to see it: person and institution.")
    )
    recipient_address = forms.CharField(
        label=_("Address of the recipient"),
        max_length=300,
        required=False,
        help_text=_("Where they can be reached, for the accounting of disclosures."),
    )
    purpose = forms.CharField(label=_("Purpose"), max_length=300, help_text=_("Kept with each use."))
    mode = forms.ChoiceField(label=_("It allows"), choices=Share.Mode.choices, widget=forms.RadioSelect, initial="view")
    until = forms.DateField(
        label=_("Until the end of"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    password = forms.CharField(
        label=_("Password of the link"),
        max_length=128,
        required=False,
        strip=False,
        help_text=_("At least 8 characters. Tell it by another way than the link."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    max_visits = forms.IntegerField(
        label=_("Visits at most"),
        required=False,
        min_value=1,
        max_value=10_000,
        help_text=_("Each browser that opens it counts once. Empty: as many as come."),
    )

    def __init__(self, *args: Any, policy: GrantPolicy, shareable: Shareable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = [choice for choice in Share.Audience.choices if choice[0] == "person" or policy.allows_links]
        audience: Any = self.fields["audience"]
        audience.choices = offered
        self.initial.setdefault("audience", offered[-1][0])
        today = timezone.localdate()
        self.initial.setdefault("until", today + timedelta(days=policy.share_days_default))
        most = today + timedelta(days=policy.share_days_maximum)
        self.fields["until"].help_text = _("At most until %(day)s, as your organisation decided.") % {"day": most}
        self.fields["until"].widget.attrs |= {"max": most.isoformat(), "min": today.isoformat()}
        if not policy.allows_links:
            del self.fields["password"]
        if not shareable.is_handed_over:
            del self.fields["mode"]
        self.option_names = [f"option_{option.name}" for option in shareable.options]
        for option in shareable.options:
            self.fields[f"option_{option.name}"] = forms.BooleanField(
                label=str(option.label), help_text=str(option.help), required=False
            )

    @property
    def option_fields(self) -> list[Any]:
        return [self[name] for name in self.option_names]

    def arguments(self) -> dict[str, Any]:
        """What `services.create_share` takes."""
        data = dict(self.cleaned_data)
        options = {name.removeprefix("option_"): data.pop(name) for name in self.option_names}
        until = end_of_day(data.pop("until"))
        return data | {"expires_at": until, "options": options}


class ExtendForm(forms.Form):
    until = forms.DateField(
        label=_("Until the end of"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


class EnterForm(forms.Form):
    code = forms.CharField(
        label=_("Code of the link"),
        max_length=200,
        help_text=_("The part after the # sign; usually it is already here."),
        widget=forms.TextInput(
            attrs={"class": "mono", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )


class GrantPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = GrantPolicy
        fields = ("sharing", "share_days_default", "share_days_maximum", "break_glass", "break_glass_minutes")
        widgets = {"sharing": forms.RadioSelect}
