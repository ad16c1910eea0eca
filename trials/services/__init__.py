"""The write side of trials. Every function is one use case: authorise → check the state → act → audit."""

from trials.services.containers import change_site, change_trial, close, create_site, create_trial, reopen
from trials.services.guard import held_at_the_door
from trials.services.held import ask_about_held
from trials.services.matching import change_time_point, match_study, study_settled, unmatch_study
from trials.services.subjects import add_subject, change_subject, move_on

__all__ = [
    "add_subject",
    "ask_about_held",
    "change_site",
    "change_subject",
    "change_time_point",
    "change_trial",
    "close",
    "create_site",
    "create_trial",
    "held_at_the_door",
    "match_study",
    "move_on",
    "reopen",
    "study_settled",
    "unmatch_study",
]
