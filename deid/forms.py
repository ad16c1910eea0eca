from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from archive.models import Archive
from core.fields import offer
from deid.errors import ReasonMissing
from deid.models import OPTION_LABELS, DeidentificationRun, PseudonymDomain
from deid.services import DEFAULT_OPTIONS
from deid.services.holds import SHORTEST_REASON


class RequestForm(forms.Form):
    """Where the copy goes and what is kept."""

    target = forms.ModelChoiceField(label=_("Copy into"), queryset=Archive.objects.none())
    options = forms.MultipleChoiceField(
        label=_("Keep"),
        required=False,
        choices=[(str(option), label) for option, label in OPTION_LABELS.items()],
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "Everything else follows the basic profile of DICOM PS3.15 Annex E: names, numbers, dates, places and "
            "private attributes are removed or replaced, and every UID is new."
        ),
    )

    def __init__(self, *arguments: Any, targets: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        offer(self.fields["target"], targets, prompt=_("Choose an archive"))
        self.fields["options"].initial = sorted(DEFAULT_OPTIONS)


class DecisionForm(forms.Form):
    note = forms.CharField(
        label=_("Note"), required=False, max_length=DeidentificationRun._meta.get_field("decision_note").max_length
    )


class DomainForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = PseudonymDomain
        fields = ("prefix", "date_window_days", "require_second_person")
        help_texts = {
            "prefix": _("Stands before each new pseudonym; those given out stay as they are."),
            "date_window_days": _("Holds for patients who get a pseudonym from now on."),
            "require_second_person": _(
                "Copies are prepared and checked, and wait until somebody other than the requester approves them."
            ),
        }


class HoldForm(forms.Form):
    """Why held images may go or stay; which ones stands beside it, with the pictures."""

    reason = forms.CharField(
        label=_("Reason"),
        min_length=SHORTEST_REASON,
        max_length=500,
        error_messages={"required": ReasonMissing.default_message, "min_length": ReasonMissing.default_message},
        help_text=_("What you saw, for example: no text in any frame. Kept with the images and in the audit trail."),
    )
