from __future__ import annotations

import re
from typing import Any

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from access.models import validate_slug
from archive.domain import ae_titles
from archive.models import Archive, IntakeSource, validate_ae_title, validate_calling_ae_title
from core.fields import required_when

RESERVED = frozenset({"new", "series", "exports"})


class _Titles(forms.CharField):
    """Calling AE titles, one a line: spaces and commas inside are part of a title."""

    def to_python(self, value: Any) -> Any:
        lines = (ae_titles.significant(line) for line in re.split(r"[\r\n]+", str(value or "")))
        return list(dict.fromkeys(line for line in lines if line))

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def run_validators(self, value: Any) -> None:
        for title in value:
            try:
                validate_calling_ae_title(title)
            except forms.ValidationError as error:
                raise forms.ValidationError(f"{title}: {' '.join(error.messages)}") from error

    def validate(self, value: Any) -> None:
        return None


class ArchiveForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150, widget=forms.TextInput(attrs={"autofocus": True}))
    ae_title = forms.CharField(
        label=_("AE title"),
        max_length=16,
        validators=[validate_ae_title],
        help_text=_("What scanners and PACS call this archive. It is unique on this installation."),
        widget=forms.TextInput(attrs={"class": "mono", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    is_open_to_dimse = forms.BooleanField(label=_("Accept DICOM associations"), required=False, initial=True)
    calling_ae_titles = _Titles(
        label=_("Calling AE titles"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "spellcheck": "false"}),
        help_text=_(
            "Who may open an association, one AE title a line; spaces and commas are part of a title. Empty: nobody. To "
            "send to a de-identified archive, a caller must also be one of its sources."
        ),
    )
    is_open_to_any_caller = forms.BooleanField(
        label=_("Any calling AE title may open an association"),
        required=False,
        help_text=_("For closed networks only: a calling AE title proves nothing."),
    )
    overwrite = forms.ChoiceField(
        label=_("Same UID, different content"),
        choices=Archive.Overwrite.choices,
        widget=forms.RadioSelect,
        initial=Archive.Overwrite.NEVER,
    )
    settle_seconds = forms.IntegerField(
        label=_("Seconds of silence until a study counts as complete"),
        min_value=1,
        max_value=86400,
        initial=10,
        help_text=_("Then its pictures are made, and rules and listeners hear of it."),
    )


class NewArchiveForm(ArchiveForm):
    slug = forms.CharField(
        label=_("Address"),
        max_length=63,
        validators=[validate_slug],
        help_text=_("Part of every link to the archive; it never changes."),
        widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false"}),
    )
    purpose = forms.ChoiceField(
        label=_("Purpose"), choices=Archive.Purpose.choices, widget=forms.RadioSelect, initial=Archive.Purpose.CLINICAL
    )
    field_order = (
        "name",
        "slug",
        "purpose",
        "ae_title",
        "is_open_to_dimse",
        "calling_ae_titles",
        "is_open_to_any_caller",
        "overwrite",
        "settle_seconds",
    )

    def clean_slug(self) -> str:
        slug = slugify(self.cleaned_data["slug"])
        if slug in RESERVED:
            raise forms.ValidationError(_("This address is used by PACSWeb itself; choose another."))
        return slug


class SourceForm(forms.Form):
    """A new source of a de-identified archive."""

    kind = forms.ChoiceField(
        label=_("Who sends"), choices=IntakeSource.Kind.choices, widget=forms.RadioSelect, initial=IntakeSource.Kind.AE
    )
    calling_ae_title = required_when(
        _("for a DICOM sender"),
        forms.CharField(
            label=_("Calling AE title"),
            max_length=16,
            widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off"}),
        ),
    )
    network = required_when(
        _("for a DICOM sender"),
        forms.CharField(
            label=_("Address or range"),
            max_length=49,
            help_text=_("Anyone can claim an AE title. It may connect from these addresses only, such as 10.1.2.0/24."),
            widget=forms.TextInput(attrs={"class": "mono", "spellcheck": "false", "autocomplete": "off"}),
        ),
    )
    person = required_when(_("for a person or service account"), forms.CharField(label=_("User name"), max_length=150))
    role = required_when(
        _("for everybody with a role; optional for a DICOM sender"),
        forms.ChoiceField(
            label=_("Role"),
            help_text=_(
                "Everybody who holds it may send. With a DICOM sender: for whom it sends, such as staff of a site."
            ),
        ),
    )

    def __init__(self, *args: Any, roles: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].choices = [("", ""), *roles]  # type: ignore[attr-defined]
