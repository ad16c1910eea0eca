"""The archive: containers of patients, studies, series and instances, and what arrives for them.

UIDs are unique *within an archive*: the same UIDs may lawfully stand in two archives with other content.

A delivery is one association, STOW request, upload or import. Actions (state → what may happen):

=========  ====================================================================
open       receive files · close → closed
closed     index what is in the spool (repeatable) → indexed
indexed    nothing; the counts stay
=========  ====================================================================
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from pydicom.uid import UID

from access.models import RoleContainer, validate_slug
from archive import notes
from archive.domain import ae_titles, pixel_notes
from archive.domain.screening import SCREENING_CODES
from core.models import TenantModel, TimeStampedModel, new_public_id

# An archive's own AE title is narrower than the standard: old senders take nothing else.
validate_ae_title = RegexValidator(
    regex=r"^[A-Za-z0-9_.-]{1,16}$",
    message=_("Use 1 to 16 letters, digits, underscores, full stops and hyphens."),
)


def validate_calling_ae_title(value: str) -> None:
    """Every AE title that the listener can be called by; whoever calls chose it, and may have no other."""
    if not ae_titles.is_sound(ae_titles.significant(value)):
        raise ValidationError(
            _("Use 1 to 16 characters: letters without accents, digits, signs except \\, and spaces.")
        )


class Archive(RoleContainer, TenantModel, TimeStampedModel):
    """A set of studies with an AE title, an own DICOMweb root and own roles."""

    class Overwrite(models.TextChoices):
        NEVER = "never", _("Never: other content under a known UID is quarantined")
        SAME_SOURCE = "same-source", _("By the same source only")
        ALWAYS = "always", _("Always: the newest content counts")

    class Purpose(models.TextChoices):
        CLINICAL = "clinical", _("Clinical")
        TEACHING = "teaching", _("Teaching (de-identified)")
        TRIAL = "trial", _("Trial (de-identified)")

    ROLES: ClassVar[dict[str, tuple[Any, tuple[str, ...]]]] = {
        "manager": (
            _("Manager"),
            (
                "view_archive",
                "add_images",
                "export_images",
                "delete_images",
                "change_archive",
                "manage_archive",
                "share_archive",
            ),
        ),
        "contributor": (_("Contributor"), ("view_archive", "add_images", "export_images")),
        "reader": (_("Reader"), ("view_archive",)),
    }

    slug = models.CharField(_("address"), max_length=63, validators=[validate_slug])
    name = models.CharField(_("name"), max_length=150)
    ae_title = models.CharField(_("AE title"), max_length=16, unique=True, validators=[validate_ae_title])
    purpose = models.CharField(_("purpose"), max_length=12, choices=Purpose.choices, default=Purpose.CLINICAL)
    overwrite = models.CharField(
        _("other content under a known UID"), max_length=12, choices=Overwrite.choices, default=Overwrite.NEVER
    )
    calling_ae_titles = models.JSONField(
        _("calling AE titles"), default=list, blank=True, help_text=_("Who may open an association. Empty: nobody.")
    )
    # Said on purpose, never by leaving a list empty: a new archive is closed to callers it does not know.
    is_open_to_any_caller = models.BooleanField(_("any calling AE title may open an association"), default=False)
    settle_seconds = models.PositiveIntegerField(_("seconds of silence until a study counts as complete"), default=10)
    is_open_to_dimse = models.BooleanField(_("takes DICOM associations"), default=True)

    permission_path: ClassVar[str] = ""

    class Meta:
        ordering = ("name",)
        constraints = [models.UniqueConstraint(fields=["organisation", "slug"], name="archive_address_in_organisation")]
        default_permissions = ("view", "change")
        permissions = (
            ("add_images", _("Send images")),
            ("export_images", _("Export and copy images")),
            ("delete_images", _("Delete images")),
            ("manage_archive", _("Give roles on the archive")),
            ("share_archive", _("Share studies and albums with people outside")),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def audit_label(self) -> str:
        return self.slug

    @property
    def is_gated(self) -> bool:
        """Whether the archive is for de-identified images: it takes what `deid` wrote or its intake policy admits."""
        return self.purpose != self.Purpose.CLINICAL


class ArchiveUserObjectPermission(UserObjectPermissionBase):
    content_object = models.ForeignKey(Archive, on_delete=models.CASCADE)


class ArchiveGroupObjectPermission(GroupObjectPermissionBase):
    content_object = models.ForeignKey(Archive, on_delete=models.CASCADE)


class Patient(TenantModel, TimeStampedModel):
    """A patient as an archive knows it: Patient ID within its issuer. An absent Patient ID is an own patient a study."""

    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="patients")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    patient_id = models.CharField(max_length=64, blank=True)
    issuer_of_patient_id = models.CharField(max_length=64, blank=True)
    # Set when Patient ID is absent, so that two nameless patients are never taken for one.
    study_instance_uid = models.CharField(max_length=64, blank=True)
    patient_name = models.CharField(max_length=324, blank=True)
    # Names folded for search: no accents, upper case, all PN groups (PS3.5 6.2.1).
    search_name = models.CharField(max_length=400, blank=True)
    birth_date = models.CharField(max_length=8, blank=True)
    sex = models.CharField(max_length=16, blank=True)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["archive", "patient_id", "issuer_of_patient_id", "study_instance_uid"],
                name="patient_in_archive",
            )
        ]
        indexes = [
            GinIndex(OpClass("search_name", name="gin_trgm_ops"), name="patient_search_name"),
            GinIndex(OpClass(Upper("patient_id"), name="gin_trgm_ops"), name="patient_id_search"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Study(TenantModel, TimeStampedModel):
    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="studies")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="studies")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    study_instance_uid = models.CharField(max_length=64)
    # The patient as this study's own header names them: what its answers say, and what finds it. The patient has the
    # latest of all studies.
    patient_name = models.CharField(max_length=324, blank=True, db_default="")
    search_name = models.CharField(max_length=400, blank=True, db_default="")
    birth_date = models.CharField(max_length=8, blank=True, db_default="")
    sex = models.CharField(max_length=16, blank=True, db_default="")
    # Dates and times as sent (DA, TM): partial and odd values are kept; `study_date_parsed` serves sorting.
    study_date = models.CharField(max_length=8, blank=True)
    study_time = models.CharField(max_length=16, blank=True)
    study_date_parsed = models.DateField(null=True, blank=True)
    accession_number = models.CharField(max_length=64, blank=True)
    study_id = models.CharField(max_length=64, blank=True)
    description = models.CharField(max_length=256, blank=True)
    referring_physician_name = models.CharField(max_length=324, blank=True)
    modalities = models.JSONField(default=list)
    body_parts = models.JSONField(default=list)
    series_count = models.PositiveIntegerField(default=0)
    instance_count = models.PositiveIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    # DICOM JSON model (PS3.18 F) of the patient and study level, as answered by QIDO-RS.
    attributes = models.JSONField(default=dict)
    last_received_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    # When the listeners of `archive.hooks` had heard of it; a worker that dies in between leaves it empty.
    announced_at = models.DateTimeField(null=True, blank=True)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        verbose_name_plural = _("studies")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["archive", "study_instance_uid"], name="study_in_archive")]
        indexes = [
            models.Index(fields=["archive", "-study_date", "-id"]),
            # The order in which a study list opens, with what settles ties: a delivery has one moment for all.
            models.Index(fields=["archive", "-last_received_at", "-id"], name="study_newest"),
            models.Index(fields=["archive", "accession_number"]),
            models.Index(fields=["study_instance_uid"]),
            models.Index(fields=["last_received_at"], condition=models.Q(settled_at=None), name="study_unsettled"),
            models.Index(
                fields=["archive", "settled_at"], condition=models.Q(settled_at__isnull=False), name="study_settled"
            ),
            models.Index(
                fields=["settled_at"],
                condition=models.Q(announced_at=None, settled_at__isnull=False),
                name="study_unannounced",
            ),
            GinIndex(OpClass(Upper("description"), name="gin_trgm_ops"), name="study_description_search"),
            GinIndex(OpClass("search_name", name="gin_trgm_ops"), name="study_search_name"),
            GinIndex(OpClass(Upper("accession_number"), name="gin_trgm_ops"), name="study_accession_search"),
            GinIndex(fields=["modalities"], name="study_modalities"),
            GinIndex(fields=["body_parts"], name="study_body_parts"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_settled(self) -> bool:
        return self.settled_at is not None


class Series(TenantModel, TimeStampedModel):
    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="+")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="series")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    series_instance_uid = models.CharField(max_length=64)
    series_number = models.BigIntegerField(null=True, blank=True)
    modality = models.CharField(max_length=16, blank=True)
    description = models.CharField(max_length=256, blank=True)
    body_part = models.CharField(max_length=64, blank=True)
    laterality = models.CharField(max_length=16, blank=True)
    frame_of_reference_uid = models.CharField(max_length=64, blank=True)
    instance_count = models.PositiveIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)
    attributes = models.JSONField(default=dict)
    # Keys in the storage of what is derived when the study settles; empty until then.
    metadata_key = models.CharField(max_length=200, blank=True)
    thumbnail_key = models.CharField(max_length=200, blank=True)
    # Counts every change of the series' instances, so that derived data and ETags know whether they are current.
    version = models.PositiveIntegerField(default=0)
    # Times that a worker began to derive from this version: a file that kills its decoder is not tried for ever.
    derive_attempts = models.PositiveSmallIntegerField(default=0)

    permission_path: ClassVar[str] = "study__archive"

    class Meta:
        verbose_name_plural = _("series")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["archive", "series_instance_uid"], name="series_in_archive"),
        ]
        indexes = [
            models.Index(fields=["study", "series_number"]),
            # What the filters of a long list offer (`core.db.distinct`).
            models.Index(fields=["archive", "modality"], name="series_modality"),
            models.Index(fields=["archive", "body_part"], name="series_body_part"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Instance(TenantModel):
    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="+")
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="instances")
    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="instances")
    sop_instance_uid = models.CharField(max_length=64)
    sop_class_uid = models.CharField(max_length=64)
    transfer_syntax_uid = models.CharField(max_length=64)
    instance_number = models.BigIntegerField(null=True, blank=True)
    rows = models.PositiveIntegerField(null=True, blank=True)
    columns = models.PositiveIntegerField(null=True, blank=True)
    number_of_frames = models.PositiveIntegerField(default=0)
    photometric_interpretation = models.CharField(max_length=32, blank=True)
    attributes = models.JSONField(default=dict)
    storage_key = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    # SHA-256 of the stored file and of the data set as sent (without preamble and file meta, which receivers write).
    digest = models.BinaryField(max_length=32)
    dataset_digest = models.BinaryField(max_length=32)
    # Where the frames lie in the file: little-endian uint64 pairs (offset, length), one a fragment run, so that one
    # frame is one read. Empty when there is no pixel data or its layout must be decoded to be known.
    frame_table = models.BinaryField(default=bytes)
    # Codes of `archive.domain.pixel_notes`, explained by `archive.notes`.
    notes = models.JSONField(default=list)
    delivery = models.ForeignKey("Delivery", on_delete=models.PROTECT, related_name="instances", null=True)
    received_at = models.DateTimeField()

    permission_path: ClassVar[str] = "study__archive"

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["archive", "sop_instance_uid"], name="instance_in_archive")]
        indexes = [models.Index(fields=["series", "instance_number", "sop_instance_uid"])]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_damaged(self) -> bool:
        """Whether the pixels are not the image that the header describes: kept as they came, never decoded."""
        return pixel_notes.DAMAGED in self.notes

    @property
    def note_texts(self) -> list[Any]:
        return [notes.explain(code) for code in self.notes]

    @property
    def transfer_syntax_name(self) -> str:
        """The standard's name of the transfer syntax; the UID itself when it has none."""
        return str(UID(self.transfer_syntax_uid).name)


class Delivery(TenantModel):
    """One association, STOW request, upload or import: what came together from one source."""

    class Source(models.TextChoices):
        DIMSE = "dimse", _("DICOM association")
        STOW = "stow", _("DICOMweb")
        UPLOAD = "upload", _("Upload")
        IMPORT = "import", _("Import")
        DEID = "deid", _("De-identification")

    class Admission(models.TextChoices):
        """Why a de-identified archive took a delivery; empty in clinical archives and for what came before the policy."""

        DEIDENTIFIED = "deidentified", _("De-identified by a run")
        SCREENED = "screened", _("Screened on arrival")
        RELEASED = "released", _("Released from quarantine by a person")

    class State(models.TextChoices):
        OPEN = "open", _("Receiving")
        CLOSED = "closed", _("Indexing")
        INDEXED = "indexed", _("Complete")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="deliveries")
    source = models.CharField(max_length=8, choices=Source.choices)
    admission = models.CharField(max_length=12, choices=Admission.choices, blank=True)
    intake_source = models.ForeignKey(
        "IntakeSource", on_delete=models.SET_NULL, null=True, blank=True, related_name="deliveries"
    )
    # Container of the role that the source sent for as the delivery began, such as a trial's site. Kept by value: neither
    # a source that is removed nor a role that ends changes whose images these were.
    sent_for_kind = models.CharField(max_length=64, blank=True, db_default="")
    sent_for_id = models.BigIntegerField(null=True, blank=True)
    # Set when a person let this file out of quarantine: sender, address and site are those of its first delivery.
    release_of = models.ForeignKey(
        "QuarantinedFile", on_delete=models.SET_NULL, null=True, blank=True, related_name="releases"
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    calling_ae_title = models.CharField(max_length=16, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    received = models.PositiveIntegerField(default=0)
    stored = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    replaced = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    # Spool names of the last batch that was committed. Its files leave the spool after the commit; a crash in between
    # must not count them again.
    committed_names = models.JSONField(default=list)
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    indexed_at = models.DateTimeField(null=True, blank=True)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        verbose_name_plural = _("deliveries")
        ordering = ("-opened_at",)
        default_permissions = ()
        indexes = [models.Index(fields=["archive", "-opened_at"]), models.Index(fields=["state"])]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def public_id(self) -> str:
        return str(self.pk)

    @property
    def audit_studies(self) -> list[str]:
        """What came of it so far; the first hundred. Nothing came of one that has just begun: no need to ask."""
        if not self.received:
            return []
        found = Study.objects.filter(pk__in=self.instances.values("study")).order_by("pk")
        return list(found.values_list("public_id", flat=True)[:100])

    @property
    def audit_label(self) -> str:
        return str(self.pk)[:8]

    @property
    def sender_words(self) -> str:
        return self.calling_ae_title or str(self.actor or "")

    @property
    def is_receiving(self) -> bool:
        return self.state == self.State.OPEN


class QuarantinedFile(TenantModel):
    """Bytes that could not be stored, kept with the reason until somebody decides."""

    class State(models.TextChoices):
        KEPT = "kept", _("Kept")
        # Decided, and on its way in: ends as stored, or as kept when it does not get in or the process dies.
        RELEASING = "releasing", _("Being stored")
        RELEASED = "released", _("Stored later")
        DISCARDED = "discarded", _("Discarded")

    archive = models.ForeignKey(Archive, on_delete=models.PROTECT, related_name="quarantined_files")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="quarantined_files")
    # A file's name often holds a patient's: shown to the archive's contributors only, never logged.
    original_name = models.CharField(max_length=500, blank=True)
    storage_key = models.CharField(max_length=200)
    size_bytes = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=500)
    study_instance_uid = models.CharField(max_length=64, blank=True, db_default="")
    sop_instance_uid = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    received_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    # Why a person took a screening finding for a false alarm.
    decision_note = models.CharField(max_length=300, blank=True)

    permission_path: ClassVar[str] = "archive"

    class Meta:
        ordering = ("-received_at",)
        default_permissions = ()
        indexes = [
            models.Index(fields=["archive", "state", "-received_at"]),
            models.Index(fields=["decided_at"], condition=models.Q(state="releasing"), name="quarantine_releasing"),
        ]
        constraints = [
            # A delivery that is indexed twice after a crash keeps each refused file once.
            models.UniqueConstraint(fields=["delivery", "storage_key"], name="quarantined_once"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def is_held(self) -> bool:
        """Whether screening on arrival held the file: only a person who looked may store it."""
        return self.code in SCREENING_CODES


class Removal(TenantModel):
    """Stored bytes that nothing refers to any more: written with the change that let go of them, gone with the bytes."""

    storage_key = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.pk)


# Found here by Django; albums name what they need of this module by string.
from archive.albums.models import Album, AlbumEntry  # noqa: E402
from archive.intake.models import IntakeSource  # noqa: E402

__all__ = [
    "Album",
    "AlbumEntry",
    "Archive",
    "ArchiveGroupObjectPermission",
    "ArchiveUserObjectPermission",
    "Delivery",
    "Instance",
    "IntakeSource",
    "Patient",
    "QuarantinedFile",
    "Removal",
    "Series",
    "Study",
    "validate_ae_title",
    "validate_calling_ae_title",
]
