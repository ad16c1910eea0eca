from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from access.sharing.following import Outside
from archive.albums.models import LONGEST_DESCRIPTION, LONGEST_NAME, Album

NAME_HELP = _("Guests with whom the album is shared see the name and the description, too.")


class AlbumForm(forms.Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=LONGEST_NAME,
        help_text=NAME_HELP,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
    )
    description = forms.CharField(
        label=_("Description"),
        max_length=LONGEST_DESCRIPTION,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    is_open = forms.BooleanField(
        label=_("Open to everybody who reads this archive"),
        required=False,
        help_text=_("They see it; you and managers of the archive change it. Otherwise only you and they see it."),
    )


class AddForm(AlbumForm):
    """Into one of the albums there are, or into a new one."""

    album = forms.ChoiceField(label=_("Album"), required=False)
    field_order = ("album", "name", "description", "is_open")

    def __init__(self, *args: Any, choices: Sequence[tuple[Album, Outside]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        album: Any = self.fields["album"]
        album.choices = [("", _("A new album")), *((row.public_id, _label(row, seen)) for row, seen in choices)]
        if not choices:
            del self.fields["album"]
        else:
            self.initial.setdefault("album", choices[0][0].public_id)
        self.fields["name"].required = False
        self.fields["name"].label = _("Name of the new album")
        del self.fields["name"].widget.attrs["autofocus"]

    @property
    def new_fields(self) -> list[Any]:
        return [self[name] for name in ("name", "description", "is_open")]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        is_new = not data.get("album") and "album" not in self.errors
        if is_new and not str(data.get("name", "")).strip() and "name" not in self.errors:
            self.add_error("name", _("A new album needs a name."))
        return data


def _label(album: Album, seen: Outside) -> str:
    parts = [album.name, str(getattr(album, "study_count", ""))]
    if seen.total:
        parts.append(str(_("shared with people outside")))
    return " · ".join(part for part in parts if part)
