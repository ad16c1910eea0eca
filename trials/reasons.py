"""Why a study waits for a coordinator, in a sentence."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from trials.domain import matching
from trials.models import Trial
from trials.services.waiting import Question

LABELS: Final[dict[str, Any]] = {
    matching.NAMES_NOBODY: gettext_lazy("Names no subject"),
    matching.OTHER_PROTOCOL: gettext_lazy("Another protocol"),
    matching.UNKNOWN_SUBJECT: gettext_lazy("Unknown subject"),
    matching.OTHER_SITE_NAMED: gettext_lazy("Names another site"),
    matching.SUBJECT_LEFT: gettext_lazy("Subject has left"),
    matching.OTHER_SITE_SENT: gettext_lazy("Sent by another site"),
    matching.NOT_SETTLED: gettext_lazy("Still arriving"),
    "": gettext_lazy("Unassigned by hand"),
}


def label(question: Question) -> str:
    return str(LABELS[question.code])


def sentence(question: Question, *, trial: Trial) -> str:
    """The reason with the names that matter."""
    said, subject = question.said, question.subject
    site = f"{subject.site.number} {subject.site.name}" if subject is not None else ""
    words = {
        "subject": said.subject_id or said.patient_id,
        "protocol": said.protocol_id,
        "own": trial.protocol_id,
        "said_site": said.site_id,
        "site": site,
        "sender": question.senders.site_words,
    }
    sentences = {
        matching.NAMES_NOBODY: _("The images carry neither a Subject ID nor a Patient ID."),
        matching.OTHER_PROTOCOL: _("The images name the protocol %(protocol)s; this trial is %(own)s."),
        matching.UNKNOWN_SUBJECT: _("The trial has no subject %(subject)s."),
        matching.OTHER_SITE_NAMED: _("The images name site %(said_site)s, but %(subject)s is a subject of %(site)s."),
        matching.SUBJECT_LEFT: _("%(subject)s has completed the trial or was withdrawn."),
        matching.OTHER_SITE_SENT: _("Staff of %(sender)s sent the images, but %(subject)s is a subject of %(site)s."),
        matching.NOT_SETTLED: _("Images may still be arriving. The study is matched once it is complete."),
        "": _("Unassigned by hand; nothing contradicts %(subject)s."),
    }
    return sentences[question.code] % words
