"""The lists of trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from archive import lists as archive_lists
from archive import reading
from archive.models import QuarantinedFile, Study
from audit import services as audit
from core.tables import Choice, Column, DateRange, Flag, Table
from trials import queries, reasons
from trials.models import Site, Subject, Trial
from trials.services.matching import said_by_each
from trials.services.waiting import questions_of, sites_of_deliveries


class TrialTable(Table):
    key = "trials"
    noun = ngettext_lazy("%(n)s trial", "%(n)s trials", "n")
    columns = (
        Column("protocol", gettext_lazy("Protocol"), sort="protocol_id", value="protocol_id", primary=True),
        Column("name", gettext_lazy("Name"), sort="name", value="name"),
        Column("sponsor", gettext_lazy("Sponsor"), sort="sponsor", value="sponsor"),
        Column("sites", gettext_lazy("Sites"), value="site_count", kind="number"),
        Column("subjects", gettext_lazy("Subjects"), value="subject_count", kind="number"),
        Column(
            "state",
            gettext_lazy("State"),
            sort="closed_at",
            template="trials/cells/open_state.html",
            csv=lambda row: _("Closed") if row.is_closed else _("Open"),
        ),
    )
    filters = (Flag("closed", gettext_lazy("Closed"), Q(closed_at__isnull=False)),)
    search_fields = ("protocol_id", "name", "sponsor")
    default_sort = "protocol"
    empty_template = "trials/trial_list_empty.html"

    def row_url(self, row: Trial) -> str:
        return reverse("trials:trial", kwargs={"organisation": row.organisation.slug, "trial": row.slug})

    def prepare(self, rows: Sequence[Any]) -> None:
        counts = queries.face_counts(self.request.user, list(rows))
        for row in rows:
            row.site_count = counts[row.pk].get("sites")
            row.subject_count = counts[row.pk].get("subjects")


class SiteTable(Table):
    key = "trial-sites"
    noun = ngettext_lazy("%(n)s site", "%(n)s sites", "n")
    columns = (
        Column("number", gettext_lazy("Site"), sort="number", value="number", primary=True, shrink=True),
        Column("name", gettext_lazy("Name"), sort="name", value="name"),
        Column("investigator", gettext_lazy("Principal investigator"), sort="investigator", value="investigator"),
        Column("contact", gettext_lazy("Contact"), value="contact", shown=False),
        Column("staff", gettext_lazy("Staff"), value="staff_count", kind="number"),
        Column("subjects", gettext_lazy("Subjects"), sort="subject_count", value="subject_count", kind="number"),
        Column("enrolled", gettext_lazy("Enrolled"), sort="enrolled_count", value="enrolled_count", kind="number"),
        Column("studies", gettext_lazy("Studies"), sort="study_count", value="study_count", kind="number"),
        Column(
            "state",
            gettext_lazy("State"),
            sort="closed_at",
            template="trials/cells/open_state.html",
            csv=lambda row: _("Closed") if row.is_closed else _("Open"),
        ),
    )
    filters = (Flag("closed", gettext_lazy("Closed"), Q(closed_at__isnull=False)),)
    search_fields = ("number", "name", "investigator")
    default_sort = "number"
    empty_template = "trials/site_list_empty.html"

    def row_url(self, row: Site) -> str:
        return reverse(
            "trials:site",
            kwargs={"organisation": row.trial.organisation.slug, "trial": row.trial.slug, "site": row.public_id},
        )

    def prepare(self, rows: Sequence[Any]) -> None:
        staff = queries.staff_counts(list(rows))
        for row in rows:
            row.staff_count = staff.get(row.pk, 0)


class SubjectTable(Table):
    key = "trial-subjects"
    noun = ngettext_lazy("%(n)s subject", "%(n)s subjects", "n")
    columns: ClassVar[Sequence[Column]] = (
        Column("subject", gettext_lazy("Subject"), sort="subject_id", value="subject_id", primary=True),
        Column("site", gettext_lazy("Site"), sort="site__number", value="site.number"),
        Column(
            "state",
            gettext_lazy("State"),
            sort="state",
            template="trials/cells/subject_state.html",
            csv=lambda row: row.get_state_display(),
        ),
        Column("sex", gettext_lazy("Sex"), sort="sex", value="get_sex_display", shown=False),
        Column("born", gettext_lazy("Born"), sort="birth_year", value="birth_year", shown=False),
        Column("enrolled", gettext_lazy("Enrolled"), sort="enrolled_on", value="enrolled_on", kind="date"),
        Column("studies", gettext_lazy("Studies"), sort="study_count", value="study_count", kind="number"),
        Column(
            "last",
            gettext_lazy("Last study"),
            sort="last_study",
            value=lambda row: reading.shown_date(row.last_study or ""),
        ),
    )
    # Staff who knew it could tell a blinded reader whose images they read.
    reading_id = Column(
        "reading", gettext_lazy("Reading ID"), sort="reading_id", value="reading_id", shown=False,
        hint=gettext_lazy("What blinded readers know the subject by"),
    )  # fmt: skip
    search_fields = ("subject_id",)
    search_label = gettext_lazy("Subject ID")
    default_sort = "subject"
    empty_template = "trials/subject_list_empty.html"

    def __init__(self, **arguments: Any) -> None:
        context = arguments["context"]
        if context["rights"].view_subjects:
            self.columns = (*type(self).columns, self.reading_id)  # type: ignore[misc]
        self.filters = (  # type: ignore[misc]
            Choice("state", gettext_lazy("State"), field="state", choices=Subject.State.choices),
            Choice("site", gettext_lazy("Site"), field="site__number"),
            Flag("imageless", gettext_lazy("Without images"), Q(subject_studies=None)),
        )
        super().__init__(**arguments)

    def row_url(self, row: Subject) -> str:
        return reverse(
            "trials:subject",
            kwargs={"organisation": row.trial.organisation.slug, "trial": row.trial.slug, "subject": row.public_id},
        )

    def exported(self, *, rows: int) -> None:
        audit.record(
            action="subject.list_exported",
            organisation=self.context["trial"].organisation,
            target=self.context["trial"],
            detail={"count": rows},
            request=self.request,
        )


class WaitingTable(Table):
    """Studies of the trial's archive without a subject."""

    key = "trial-waiting"
    noun = ngettext_lazy("%(n)s study", "%(n)s studies", "n")
    columns = (
        Column(
            "picture",
            gettext_lazy("Picture"),
            template="archive/cells/picture.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
        Column("id", gettext_lazy("Patient ID"), value="patient.patient_id", sort="patient__patient_id", primary=True),
        Column(
            "date",
            gettext_lazy("Study date"),
            sort=("study_date", "study_time"),
            value=lambda study: reading.shown_date(study.study_date),
        ),
        Column("modality", gettext_lazy("Modality"), value=lambda study: " ".join(study.modalities), sort="modalities"),
        Column("description", gettext_lazy("Description"), value="description", sort="description"),
        Column("images", gettext_lazy("Images"), value="instance_count", sort="instance_count", kind="number"),
        Column("received", gettext_lazy("Received"), value="last_received_at", sort="last_received_at", kind="date"),
        Column("sender", gettext_lazy("Sender"), value="sender_words"),
        Column("site", gettext_lazy("Sending site"), value="site_words"),
        Column(
            "why", gettext_lazy("Why it waits"), value="why", hint=gettext_lazy("Open the study for the whole sentence")
        ),
    )
    search_fields = ("patient__patient_id", "description")
    search_label = gettext_lazy("Patient ID or description")
    default_sort = "-received"
    empty_template = "trials/waiting_empty.html"

    def row_url(self, row: Study) -> str:
        trial: Trial = self.context["trial"]
        return reverse(
            "trials:match",
            kwargs={"organisation": trial.organisation.slug, "trial": trial.slug, "study": row.public_id},
        )

    def prepare(self, rows: Sequence[Any]) -> None:
        pictures = archive_lists.thumbnails([row.pk for row in rows])
        questions = questions_of(rows, trial=self.context["trial"], said=said_by_each(rows))
        for row in rows:
            row.thumbnail_url = pictures.get(row.pk, "")
            row.viewer_url = ""
            question = questions[row.pk]
            row.sender_words, row.site_words = ", ".join(question.senders.names), question.senders.site_words
            row.why = reasons.label(question)


class HeldTable(Table):
    """Files that were not let into the trial's archive. Names of files are left out: they often name a patient."""

    key = "trial-held"
    noun = ngettext_lazy("%(n)s file", "%(n)s files", "n")
    columns = (
        Column(
            "received", gettext_lazy("Received"), sort="received_at", value="received_at", kind="date", primary=True
        ),
        Column("sender", gettext_lazy("Sender"), value="sender_words"),
        Column("site", gettext_lazy("Sending site"), value="site_words"),
        Column("reason", gettext_lazy("Reason"), value="reason", template="archive/cells/reason.html"),
        Column("code", gettext_lazy("Code"), value="code", sort="code", shown=False),
        Column("size", gettext_lazy("Size"), value="size_bytes", sort="size_bytes", kind="size"),
        Column(
            "state",
            gettext_lazy("State"),
            template="archive/cells/quarantine_state.html",
            csv=lambda row: row.get_state_display(),
        ),
    )
    filters = (
        Choice("state", gettext_lazy("State"), choices=QuarantinedFile.State.choices),
        Choice("code", gettext_lazy("Reason")),
        DateRange("received", gettext_lazy("Received"), field="received_at", is_moment=True),
    )
    search_fields = ("reason", "delivery__calling_ae_title", "delivery__actor__display_name")
    search_label = gettext_lazy("Reason or sender")
    default_sort = "-received"
    empty_template = "trials/held_empty.html"

    def row_url(self, row: QuarantinedFile) -> str:
        trial: Trial = self.context["trial"]
        return reverse(
            "trials:held-file",
            kwargs={"organisation": trial.organisation.slug, "trial": trial.slug, "file": row.public_id},
        )

    def row_label(self, row: QuarantinedFile) -> str:
        return row.public_id

    def prepare(self, rows: Sequence[Any]) -> None:
        sites = sites_of_deliveries({row.delivery for row in rows}, trial=self.context["trial"])
        for row in rows:
            sent = row.delivery
            row.sender_words = sent.sender_words
            row.site_words = sites[sent.pk]
