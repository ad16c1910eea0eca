"""The write side of teaching. Every function is one use case: authorise → lock → check the state → act → audit."""

from teaching.services.cases import (
    add_new_images,
    attach_studies,
    create_case,
    delete_case,
    record_opened,
    resolve_held_back,
    save_case,
    set_layout,
)
from teaching.services.containers import change_course, change_library, create_course, create_library
from teaching.services.courses import (
    add_case_to_course,
    change_assignment,
    create_assignment,
    order_course,
    remove_case_from_course,
    withdraw_assignment,
)
from teaching.services.history import restore_revision
from teaching.services.making import make_case_from_study, preparation_failed, preparation_finished
from teaching.services.publishing import decide_review, publish_case, request_review, retire_case
from teaching.services.questions import add_question, change_question, delete_question, order_questions
from teaching.services.sections import add_section, change_section, delete_section, order_sections, set_sections
from teaching.services.truth import save_truth, set_truth

__all__ = [
    "add_case_to_course",
    "add_new_images",
    "add_question",
    "add_section",
    "attach_studies",
    "change_assignment",
    "change_course",
    "change_library",
    "change_question",
    "change_section",
    "create_assignment",
    "create_case",
    "create_course",
    "create_library",
    "decide_review",
    "delete_case",
    "delete_question",
    "delete_section",
    "make_case_from_study",
    "order_course",
    "order_questions",
    "order_sections",
    "preparation_failed",
    "preparation_finished",
    "publish_case",
    "record_opened",
    "remove_case_from_course",
    "request_review",
    "resolve_held_back",
    "restore_revision",
    "retire_case",
    "save_case",
    "save_truth",
    "set_layout",
    "set_sections",
    "set_truth",
    "withdraw_assignment",
]
