from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Invalid


class MarksInvalid(Invalid):
    """Marks that cannot be accepted; ``errors`` names each by its index."""

    code = "marks-invalid"
    default_message = _("Some marks could not be saved. Nothing was changed on the server.")

    def __init__(self, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self.errors = [dict(error) for error in errors]


class MarksConflict(Conflict):
    """The layer was saved from somewhere else since it was loaded."""

    code = "marks-conflict"
    default_message = _("These marks were changed in another window. Reload them before saving.")


class MarksClosed(Conflict):
    """The layer is committed: its marks are evidence now."""

    status_code = 423
    code = "marks-closed"
    default_message = _("These marks are closed and can no longer be changed.")
