"""The write side of practice: read, commit, score."""

from practice.services.commit import commit_attempt
from practice.services.reading import abandon_attempt, keep_looks, save_draft, save_marks, start_attempt
from practice.services.results import record_result_viewed
from practice.services.scoring import score_text

__all__ = [
    "abandon_attempt",
    "commit_attempt",
    "keep_looks",
    "record_result_viewed",
    "save_draft",
    "save_marks",
    "score_text",
    "start_attempt",
]
