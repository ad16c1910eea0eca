from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from access.models import validate_slug
from archive.models import Archive
from core.errors import Invalid
from core.fields import offer, required_when
from trials.models import Site, Subject
from trials.models.containers import validate_identifier, validate_long_string
from trials.services.waiting import Senders, words_of


def take_over(form: forms.Form, error: Invalid) -> None:
    """Show a service's refusal at the fields it names."""
    if not error.fields:
        form.add_error(None, str(error.message))
    for name, sentences in error.fields.items():
        for sentence in sentences:
            form.add_error(name if name in form.fields else None, sentence)


def _identifier(*, label: Any, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=64,
        validators=[validate_identifier],
        help_text=help_text,
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )


class TrialForm(forms.Form):
    protocol_id = _identifier(
        label=_("Protocol ID"), help_text=_("As it stands in the images: Clinical Trial Protocol ID (0012,0020).")
    )
    name = forms.CharField(label=_("Name"), max_length=64, validators=[validate_long_string])
    sponsor = forms.CharField(label=_("Sponsor"), max_length=64, required=False, validators=[validate_long_string])
    description = forms.CharField(
        label=_("Description"), max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 4})
    )


class NewTrialForm(TrialForm):
    slug = forms.CharField(
        label=_("Address"),
        max_length=63,
        validators=[validate_slug],
        help_text=_("Part of every link to the trial; it never changes."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    archive: forms.ModelChoiceField[Archive] = forms.ModelChoiceField(
        label=_("Archive of its images"),
        queryset=None,
        to_field_name="slug",
        help_text=_("A trial archive that you manage. Coordinators and monitors of the trial will see all of it."),
    )
    field_order = ("protocol_id", "name", "slug", "sponsor", "archive", "description")

    def __init__(self, *args: Any, archives: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self.fields["archive"], archives, prompt=_("Choose an archive"))


class SiteForm(forms.Form):
    number = _identifier(
        label=_("Site ID"), help_text=_("As it stands in the images: Clinical Trial Site ID (0012,0030).")
    )
    name = forms.CharField(label=_("Name"), max_length=64, validators=[validate_long_string])
    investigator = forms.CharField(label=_("Principal investigator"), max_length=150, required=False)
    contact = forms.CharField(
        label=_("Contact"), max_length=200, required=False, help_text=_("Whom to ask when something is missing.")
    )


class SubjectForm(forms.Form):
    subject_id = _identifier(
        label=_("Subject ID"),
        help_text=_(
            "The pseudonym of the protocol, never a name. Images whose Patient ID or Subject ID says the same are matched."
        ),
    )
    sex = forms.ChoiceField(label=_("Sex"), required=False, choices=(("", _("Not given")), *Subject.Sex.choices))
    birth_year = forms.IntegerField(label=_("Year of birth"), required=False, min_value=1900, max_value=2200)
    enrolled_on = forms.DateField(
        label=_("Enrolled on"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Empty while the subject is in screening."),
    )


class NewSubjectForm(SubjectForm):
    site: forms.ModelChoiceField[Site] = forms.ModelChoiceField(
        label=_("Site"), queryset=None, to_field_name="public_id"
    )
    field_order = ("site", "subject_id", "sex", "birth_year", "enrolled_on")

    def __init__(self, *args: Any, sites: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self.fields["site"], sites, prompt=_("Choose a site"))
        self.fields["site"].label_from_instance = lambda site: f"{site.number} {site.name}"  # type: ignore[attr-defined]


class MatchForm(forms.Form):
    subject = forms.CharField(label=_("Subject"), max_length=64, widget=forms.Select)
    time_point = forms.CharField(
        label=_("Time point"),
        max_length=64,
        required=False,
        validators=[validate_long_string],
        help_text=_("As the protocol names it, such as “Baseline” or “Week 8”."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=300,
        help_text=_(
            "Why images that another site sent are this subject’s. It is kept with the match and in the audit trail."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, offered: Any, senders: Senders, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        common = words_of(senders.common_sites)
        if not senders.of_each:
            # Nobody of a site sent them: no subject needs a reason, and none would be kept.
            del self.fields["reason"]
        elif common:
            required_when(_("required unless the subject is of %(sites)s") % {"sites": common}, self.fields["reason"])
        else:
            self.fields["reason"].required = True
        # Without script the field is a plain choice of the first subjects; with it, it searches among all.
        self.fields["subject"].widget.choices = [("", ""), *offered]  # type: ignore[attr-defined]


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=300, widget=forms.TextInput(attrs={"autocomplete": "off"}))
