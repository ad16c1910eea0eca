"""What the roles of an archive allow. `Archive.ROLES` gives them; these are the names that doors ask for.

===============  =======  ===========  ======
permission       manager  contributor  reader
===============  =======  ===========  ======
view_archive     yes      yes          yes
add_images       yes      yes          –
export_images    yes      yes          –
delete_images    yes      –            –
change_archive   yes      –            –
manage_archive   yes      –            –
share_archive    yes      –            –
===============  =======  ===========  ======
"""

from __future__ import annotations

from typing import Any

from access.queries import may
from archive.models import Archive

VIEW = "archive.view_archive"
ADD = "archive.add_images"
EXPORT = "archive.export_images"
DELETE = "archive.delete_images"
CHANGE = "archive.change_archive"
MANAGE = "archive.manage_archive"
SHARE = "archive.share_archive"
CREATE = "access.add_container"


class Rights:
    """What one person may do in one archive; each asked once, when a page first wants to know."""

    def __init__(self, *, user: Any, archive: Archive) -> None:
        self._user = user
        self._archive = archive
        self._known: dict[str, bool] = {}

    def _may(self, permission: str) -> bool:
        if permission not in self._known:
            self._known[permission] = may(self._user, permission, self._archive)
        return self._known[permission]

    @property
    def view(self) -> bool:
        return self._may(VIEW)

    @property
    def add(self) -> bool:
        return self._may(ADD)

    @property
    def export(self) -> bool:
        return self._may(EXPORT)

    @property
    def delete(self) -> bool:
        return self._may(DELETE)

    @property
    def change(self) -> bool:
        return self._may(CHANGE)

    @property
    def manage(self) -> bool:
        return self._may(MANAGE)

    @property
    def share(self) -> bool:
        return self._may(SHARE)
