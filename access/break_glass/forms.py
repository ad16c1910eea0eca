from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from access.break_glass.models import BreakGlass
from core.fields import required_when

EXACT = {"class": "mono", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class BreakGlassForm(forms.Form):
    reason = forms.ChoiceField(label=_("Reason"), choices=BreakGlass.Reason.choices, widget=forms.RadioSelect)
    statement = forms.CharField(
        label=_("In your words"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("At least 10 characters. Compliance officers read this."),
    )
    patient_id = required_when(
        _("or the accession number"),
        forms.CharField(label=_("Patient ID"), max_length=64, widget=forms.TextInput(attrs=EXACT)),
    )
    accession_number = required_when(
        _("or the Patient ID"),
        forms.CharField(
            label=_("Accession number"),
            max_length=64,
            widget=forms.TextInput(attrs=EXACT),
            help_text=_("One of the two, exactly as on the order. Nothing is searched before you give a reason."),
        ),
    )


class ReviewForm(forms.Form):
    verdict = forms.ChoiceField(
        label=_("Verdict"),
        choices=[choice for choice in BreakGlass.ReviewState.choices if choice[0] != "waiting"],
        widget=forms.RadioSelect,
    )
    note = forms.CharField(label=_("Note"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        required_when(_("required to justify or escalate"), self.fields["note"])
