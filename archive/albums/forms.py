from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from access.sharing.following import Outside
from archive.albums.models import LONGEST_DESCRIPTION, LONGEST_NAME, Album

#: The choice of a new album among those there are.
NEW = "new"
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

    album = forms.ChoiceField(label=_("Album"))
    field_order = ("album", "name", "description", "is_open")

    def __init__(self, *args: Any, choices: Sequence[tuple[Album, Outside]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        album: Any = self.fields["album"]
        album.choices = [(NEW, _("A new album")), *((row.public_id, _label(row, seen)) for row, seen in choices)]
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
        is_new = data.get("album", NEW) == NEW and "album" not in self.errors
        if is_new and not str(data.get("name", "")).strip() and "name" not in self.errors:
            self.add_error("name", _("A new album needs a name."))
        return data


def _label(album: Album, seen: Outside) -> str:
    n: int = getattr(album, "study_count", 0)
    if seen.total:
        said = ngettext(
            "%(name)s (%(n)s study, shared with people outside)",
            "%(name)s (%(n)s studies, shared with people outside)",
            n,
        )
    else:
        said = ngettext("%(name)s (%(n)s study)", "%(name)s (%(n)s studies)", n)
    return said % {"name": album.name, "n": n}
