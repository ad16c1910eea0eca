"""Where the lesions are."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel


class TruthMark(TenantModel, TimeStampedModel):
    """A lesion (or a landmark) of a case in image terms; `mark` is a `viewer.domain.marks.Mark` in its JSON form.

    `centre_mm` and `radius_mm` are in patient millimetres where the images have a frame of reference; without one,
    `spacing_mm` (rows, columns) or nothing at all: the scoring falls back to pixels.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    case = models.ForeignKey("teaching.Case", on_delete=models.CASCADE, related_name="truth_marks")
    position = models.PositiveIntegerField(default=0)
    mark = models.JSONField()
    series_instance_uid = models.CharField(max_length=64)
    sop_instance_uid = models.CharField(max_length=64)
    frame = models.PositiveIntegerField(default=1)
    label = models.CharField(_("label"), max_length=200, blank=True)
    code = models.JSONField(_("code"), default=dict, blank=True)
    is_lesion = models.BooleanField(_("counts as a lesion"), default=True)
    centre_mm = models.JSONField(null=True, blank=True)
    radius_mm = models.FloatField(null=True, blank=True)
    spacing_mm = models.JSONField(null=True, blank=True)

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("position", "created_at")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)
