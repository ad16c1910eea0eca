"""Albums: a selection of studies under a name. They hold on to nothing: a study that is deleted leaves every album.

An album is its maker's own until it is opened to everybody who reads the archive. Who answers for the archive sees every
album of it.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id

LONGEST_NAME = 100
LONGEST_DESCRIPTION = 2000


class Album(TenantModel, TimeStampedModel):
    archive = models.ForeignKey("archive.Archive", on_delete=models.PROTECT, related_name="albums")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="albums")
    name = models.CharField(_("name"), max_length=LONGEST_NAME)
    description = models.TextField(_("description"), max_length=LONGEST_DESCRIPTION, blank=True)
    is_open = models.BooleanField(_("open to everybody who reads this archive"), default=False)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        default_permissions = ()
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint("archive", "owner", Lower("name"), name="album_name_once_a_maker"),
        ]
        indexes = [models.Index(fields=["archive", "-updated_at"], name="album_latest")]

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        # A name may say more than a trail should.
        return self.public_id


class AlbumEntry(TenantModel):
    """One study in one album, and where it stands."""

    album = models.ForeignKey(Album, on_delete=models.CASCADE, related_name="entries")
    study = models.ForeignKey("archive.Study", on_delete=models.CASCADE, related_name="album_entries")
    # Ascending, with gaps where a study was taken out; equal ones never stay, as every writer holds the album's row.
    position = models.PositiveIntegerField()
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    permission_path: ClassVar[str] = "album__archive"

    class Meta:
        default_permissions = ()
        ordering = ("position", "pk")
        constraints = [models.UniqueConstraint(fields=["album", "study"], name="study_once_in_album")]
        indexes = [models.Index(fields=["album", "position"], name="album_order")]

    def __str__(self) -> str:
        return str(self.pk)
