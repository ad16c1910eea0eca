"""A case: its working copy, its history and its published versions."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, TimeStampedModel, new_public_id
from teaching import vocabulary


class Case(TenantModel, TimeStampedModel):
    """The working copy. `revision` rises with every edit and is the ETag of the editor."""

    class State(models.TextChoices):
        PREPARING = "preparing", _("De-identifying")
        DRAFT = "draft", _("Draft")
        IN_REVIEW = "in_review", _("In review")
        PUBLISHED = "published", _("Published")
        RETIRED = "retired", _("Retired")

    library = models.ForeignKey("teaching.Library", on_delete=models.PROTECT, related_name="cases")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    state = models.CharField(max_length=12, choices=State.choices, default=State.DRAFT)
    revision = models.PositiveIntegerField(default=1)
    truth_version = models.PositiveIntegerField(default=0)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="teaching_cases")

    title = models.CharField(_("title"), max_length=200)
    abstract = models.TextField(_("abstract"), blank=True)
    alternative_title = models.CharField(_("title as an unknown"), max_length=200, blank=True)
    alternative_abstract = models.TextField(_("abstract as an unknown"), blank=True)
    authors = models.JSONField(default=list, blank=True)
    age_band = models.CharField(_("age"), max_length=12, choices=vocabulary.AGE_BANDS, blank=True)
    sex = models.CharField(_("sex"), max_length=8, choices=vocabulary.SEXES, blank=True)
    category = models.CharField(_("category"), max_length=24, choices=vocabulary.CATEGORIES, blank=True)
    organ_system = models.CharField(_("organ system"), max_length=24, choices=vocabulary.ORGAN_SYSTEMS, blank=True)
    modality = models.CharField(_("modality"), max_length=16, blank=True)
    anatomy = models.CharField(_("anatomy"), max_length=120, blank=True)
    level = models.CharField(_("level"), max_length=16, choices=vocabulary.LEVELS, blank=True)
    certainty = models.CharField(
        _("certainty of the diagnosis"), max_length=16, choices=vocabulary.CERTAINTIES, blank=True
    )
    licence = models.CharField(_("licence"), max_length=60, blank=True)
    keywords = models.JSONField(_("keywords"), default=list, blank=True)
    codes = models.JSONField(_("codes"), default=list, blank=True)
    is_normal = models.BooleanField(
        _("a normal: there is no lesion"), default=False, help_text=_("Normals make reading real, and curves possible.")
    )
    #: Cases with the same diagnosis are siblings: repetition serves another one of them.
    diagnosis_group = models.CharField(_("diagnosis group"), max_length=120, blank=True)
    #: `viewer.domain.manifest.Layout` in JSON: what the viewports show at first.
    layout = models.JSONField(default=dict, blank=True)
    #: `[{"id", "series", "sop", "frame", "caption"}]`; captions are shown after the answer.
    key_images = models.JSONField(default=list, blank=True)

    #: The de-identification run that brings (or brought) the images; empty for a case that did not come that way.
    deid_run_key = models.CharField(max_length=64, blank=True, db_index=True, editable=False)
    #: Images that de-identification held back: `[{"reasons": [codes], "count", "open"}]`, `open` of them undecided (all,
    #: where it is missing), and whether they are dealt with.
    held_back = models.JSONField(default=list, blank=True)
    held_back_resolved = models.BooleanField(default=False)
    preparation_error = models.CharField(max_length=500, blank=True)

    #: Field → the revision at which it last changed, as `CaseSection.version`; a field that is missing never did.
    field_versions = models.JSONField(default=dict, blank=True, editable=False)

    #: Images that came into the studies after publishing and that an editor has added, by primary key: the next version
    #: shows them, too.
    added_images = ArrayField(models.BigIntegerField(), default=list, blank=True, editable=False)

    current_version = models.ForeignKey(
        "teaching.CaseVersion", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    published_revision = models.PositiveIntegerField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_reason = models.CharField(max_length=300, blank=True)
    #: Retired so that nobody may see the images any more, not even readers of the past.
    is_withdrawn = models.BooleanField(default=False)
    search = SearchVectorField(null=True, editable=False)

    permission_path: ClassVar[str] = "library"

    class Meta:
        ordering = ("-updated_at", "-pk")
        default_permissions = ()
        indexes = [
            models.Index(fields=["library", "state", "-updated_at"]),
            models.Index(fields=["organisation", "diagnosis_group"]),
            GinIndex(fields=["search"], name="case_search"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        # Neither the title nor a diagnosis: the trail is read by people who may be learners elsewhere.
        return self.public_id

    @property
    def held_back_open(self) -> int:
        """Images held back by de-identification on which nobody has decided."""
        return sum(int(entry.get("open", entry.get("count", 1))) for entry in self.held_back)

    @property
    def is_editable(self) -> bool:
        return self.state != self.State.PREPARING

    @property
    def is_publishable(self) -> bool:
        """Whether the state allows it; the checklist says whether the content does."""
        return self.state in (self.State.DRAFT, self.State.IN_REVIEW, self.State.RETIRED) or (
            self.state == self.State.PUBLISHED and self.has_unpublished_changes
        )

    @property
    def is_reviewable(self) -> bool:
        return self.state == self.State.IN_REVIEW

    @property
    def is_retirable(self) -> bool:
        return self.state == self.State.PUBLISHED

    @property
    def is_deletable(self) -> bool:
        """A case that was ever published stays: attempts refer to it."""
        return self.current_version_id is None

    @property
    def has_unpublished_changes(self) -> bool:
        return self.published_revision is not None and self.revision > self.published_revision


class CaseSection(TenantModel):
    """One section of the text, in Markdown, with who may see it when."""

    class Kind(models.TextChoices):
        HISTORY = "history", _("History")
        FINDINGS = "findings", _("Findings")
        DIFFERENTIAL = "differential", _("Differential diagnosis")
        DIAGNOSIS = "diagnosis", _("Diagnosis")
        DISCUSSION = "discussion", _("Discussion")
        PATHOLOGY = "pathology", _("Pathology")
        REFERENCES = "references", _("References")
        CUSTOM = "custom", _("Own heading")

    class Visibility(models.TextChoices):
        ALWAYS = "always", _("Always")
        AFTER_ANSWER = "after_answer", _("After the answer")
        FROM_DATE = "from_date", _("From a date")
        OWNER = "owner", _("Only editors")

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="sections")
    public_id = models.CharField(max_length=12, default=new_public_id, editable=False)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    heading = models.CharField(_("heading"), max_length=120, blank=True)
    body = models.TextField(blank=True)
    visibility = models.CharField(max_length=12, choices=Visibility.choices, default=Visibility.AFTER_ANSWER)
    visible_from = models.DateField(null=True, blank=True)
    position = models.PositiveIntegerField(default=0)
    #: The revision of the case at which this section last changed: it moves with every save, also where the history folds
    #: several saves into one entry.
    version = models.PositiveIntegerField(default=1, editable=False)

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["case", "public_id"], name="section_in_case")]

    def __str__(self) -> str:
        return self.public_id

    @property
    def title(self) -> str:
        return self.heading or str(self.get_kind_display())


class CaseStudy(TenantModel):
    """A de-identified study of the working copy."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="case_studies")
    study = models.ForeignKey("archive.Study", on_delete=models.PROTECT, related_name="case_studies")
    position = models.PositiveIntegerField(default=0)
    is_prior = models.BooleanField(_("a prior"), default=False)

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["case", "study"], name="study_once_in_case")]

    def __str__(self) -> str:
        return f"{self.case_id}/{self.study_id}"


class CaseRevision(TenantModel):
    """The working copy after one edit; quick edits to the same thing from one open page share one."""

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    summary = models.CharField(max_length=200)
    content = models.JSONField()
    #: The open page that edited, so that two tabs of one person never share an entry; empty for programs.
    editor = models.CharField(max_length=40, blank=True, default="", editable=False)
    created_at = models.DateTimeField()

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("-number",)
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["case", "number"], name="revision_of_case")]

    def __str__(self) -> str:
        return f"{self.case_id} r{self.number}"


class CaseVersion(TenantModel):
    """What was published: never changed again (the database refuses it, too). Attempts refer to a version."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="versions")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    number = models.PositiveIntegerField()
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    note = models.CharField(max_length=300, blank=True)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    published_at = models.DateTimeField()
    # Copies from `content` for lists and filters.
    alternative_title = models.CharField(max_length=200)
    diagnosis_group = models.CharField(max_length=120)
    is_normal = models.BooleanField(default=False)
    #: Only what a learner may know before the answer.
    learner_search = SearchVectorField(null=True, editable=False)
    studies = models.ManyToManyField("archive.Study", through="VersionStudy", related_name="case_versions")

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("-number",)
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["case", "number"], name="version_of_case")]
        indexes = [
            models.Index(fields=["organisation", "diagnosis_group"]),
            GinIndex(fields=["learner_search"], name="version_learner_search"),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} v{self.number}"

    @property
    def audit_label(self) -> str:
        return f"v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise TypeError("A published version is never changed.")
        super().save(*args, **kwargs)


class VersionStudy(TenantModel):
    """A study that a published version shows."""

    version = models.ForeignKey(CaseVersion, on_delete=models.CASCADE, related_name="version_studies")
    study = models.ForeignKey("archive.Study", on_delete=models.PROTECT, related_name="version_studies")
    position = models.PositiveIntegerField(default=0)
    is_prior = models.BooleanField(default=False)

    permission_path: ClassVar[str] = "version__case__library"

    class Meta:
        ordering = ("position", "pk")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["version", "study"], name="study_once_in_version")]

    def __str__(self) -> str:
        return f"{self.version_id}/{self.study_id}"


class VersionSeries(TenantModel):
    """The images of one series that a published version shows: those that stood there when it was published.

    What comes into the study later, or replaces an image, is no part of it: the version would change under its readers, and
    a late series can tell what there is to find.
    """

    version = models.ForeignKey(CaseVersion, on_delete=models.CASCADE, related_name="version_series")
    series = models.ForeignKey("archive.Series", on_delete=models.PROTECT, related_name="version_series")
    #: Primary keys of instances.
    images = ArrayField(models.BigIntegerField())
    #: An image received later than this replaced one of them.
    pinned_at = models.DateTimeField()

    permission_path: ClassVar[str] = "version__case__library"

    class Meta:
        ordering = ("pk",)
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["version", "series"], name="series_once_in_version")]

    def __str__(self) -> str:
        return f"{self.version_id}/{self.series_id}"


class Review(TenantModel):
    """A second person's look at a case before it is published."""

    class Verdict(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        APPROVED = "approved", _("Approved")
        CHANGES = "changes", _("Changes asked for")

    case = models.ForeignKey(Case, on_delete=models.CASCADE, related_name="reviews")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    revision = models.PositiveIntegerField()
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    #: Nobody named: any reviewer of the library.
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="case_reviews"
    )
    verdict = models.CharField(max_length=10, choices=Verdict.choices, default=Verdict.WAITING)
    note = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    permission_path: ClassVar[str] = "case__library"

    class Meta:
        ordering = ("-requested_at",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["case"], condition=models.Q(verdict="waiting"), name="one_waiting_review")
        ]

    def __str__(self) -> str:
        return self.public_id
