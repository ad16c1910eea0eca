from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from access.models import validate_slug
from archive.models import Archive
from core.errors import Invalid
from core.fields import offer, required_when
from teaching import vocabulary
from teaching.models import Assignment, Library


def take_over(form: forms.Form, error: Invalid) -> None:
    """Show a service's refusal at the fields it names."""
    if not error.fields:
        form.add_error(None, str(error.message))
    for name, sentences in error.fields.items():
        for sentence in sentences:
            form.add_error(name if name in form.fields else None, sentence)


def initial_of(row: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


class LibraryForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150)
    description = forms.CharField(label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 3}))
    requires_review = forms.BooleanField(
        label=_("A second person approves each case before it is published"), required=False
    )
    licence = forms.ChoiceField(
        label=_("Licence of new cases"), choices=(("", _("None")), *vocabulary.LICENCES), required=False
    )


class NewLibraryForm(LibraryForm):
    slug = forms.CharField(
        label=_("Address"),
        max_length=63,
        validators=[validate_slug],
        help_text=_("Lower-case letters, digits, hyphens."),
    )
    archive: forms.ModelChoiceField[Archive] = forms.ModelChoiceField(
        label=_("Archive of its images"),
        queryset=None,
        help_text=_("A teaching archive: it takes de-identified images only."),
    )
    field_order = ("name", "slug", "archive", "description", "requires_review", "licence")

    def __init__(self, *args: Any, archives: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["archive"].queryset = archives  # type: ignore[attr-defined]


class CourseForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=150)
    description = forms.CharField(label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 3}))


class NewCourseForm(CourseForm):
    slug = forms.CharField(
        label=_("Address"),
        max_length=63,
        validators=[validate_slug],
        help_text=_("Lower-case letters, digits, hyphens."),
    )
    field_order = ("name", "slug", "description")


class NewCaseForm(forms.Form):
    library: forms.ModelChoiceField[Library] = forms.ModelChoiceField(
        label=_("Library"), queryset=None, to_field_name="slug"
    )
    title = forms.CharField(
        label=_("Title"), max_length=200, help_text=_("Seen by editors, and by readers after their answer.")
    )

    def __init__(self, *args: Any, libraries: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self.fields["library"], libraries, prompt=_("Choose a library"))


class MakeCaseForm(NewCaseForm):
    title = forms.CharField(
        label=_("Working title"),
        max_length=200,
        required=False,
        help_text=_("Seen by editors only until somebody answers. No names of patients."),
    )


class AssignmentForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=150)
    note = forms.CharField(label=_("Note to the learners"), required=False, widget=forms.Textarea(attrs={"rows": 2}))
    cases = forms.MultipleChoiceField(label=_("Cases"), widget=forms.CheckboxSelectMultiple)
    due_at = forms.DateTimeField(
        label=_("Due"), widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    )
    audience = forms.ChoiceField(label=_("For"), choices=Assignment.Audience.choices, widget=forms.RadioSelect)
    persons = required_when(
        _("for chosen learners"), forms.MultipleChoiceField(label=_("Learners"), widget=forms.CheckboxSelectMultiple)
    )

    def __init__(self, *args: Any, cases: Any, learners: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["cases"].choices = cases  # type: ignore[attr-defined]
        self.fields["persons"].choices = learners  # type: ignore[attr-defined]
