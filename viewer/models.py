"""Who is looking at what (`ReadingSession`), and a person's own marks on archive studies (`StudyAnnotation`)."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id


class ReadingSession(TenantModel):
    """One sitting of one person with one thing in the viewer.

    ``kind`` and ``key`` say what: kind ``study`` with the study's public id, or what an upper floor uses, such as an
    attempt and its id. Series opened in it are audited once.
    """

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="reading_sessions")
    kind = models.CharField(max_length=32)
    key = models.CharField(max_length=100)
    #: Series Instance UID → public id of the series the session may report on; others are not believed.
    series = models.JSONField(default=dict)
    explained_by = models.CharField(max_length=150, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["user", "kind", "key", "-last_seen_at"])]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return f"{self.kind} {self.key}"


class SeriesView(TenantModel):
    """A series that came on screen in a session: makes "audited once per series, user and session" a constraint."""

    session = models.ForeignKey(ReadingSession, on_delete=models.CASCADE, related_name="series_views")
    series_uid = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField(default=timezone.now)
    milliseconds = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["session", "series_uid"], name="viewer_one_view_per_series")]

    def __str__(self) -> str:
        return f"{self.session_id} {self.series_uid}"


class StudyAnnotation(TenantModel, TimeStampedModel):
    """The marks of one person on one archive study: theirs alone until shared."""

    permission_path: ClassVar[str] = "study__archive"

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    study = models.ForeignKey("archive.Study", on_delete=models.CASCADE, related_name="annotations")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="study_annotations")
    marks = models.JSONField(default=list)
    #: Raised by each save; a save that names an older one is refused.
    version = models.PositiveIntegerField(default=0)
    shared = models.BooleanField(_("shared with readers of the archive"), default=False)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["study", "owner"], name="viewer_one_annotation_per_person")]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return f"marks {self.public_id}"
