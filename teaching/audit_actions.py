from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from audit import actions


def register() -> None:
    act, alert = actions.APPLICATION_ACTIVITY, actions.SECURITY_ALERT
    actions.register("library.created", _("{actor} created the library {target}"), event_type=alert)
    actions.register("library.changed", _("{actor} changed the library {target}"), event_type=alert)
    actions.register("course.created", _("{actor} created the course {target}"), event_type=alert)
    actions.register("course.changed", _("{actor} changed the course {target}"), event_type=act)
    actions.register("case.created", _("{actor} created case {target}"), event_type=act)
    actions.register(
        "case.images_attached",
        _("Images were attached to case {target} (studies: {studies})"),
        event_type=actions.IMPORT,
    )
    actions.register("case.preparation_failed", _("Images of case {target} could not be de-identified"), event_type=act)
    actions.register(
        "case.held_back_resolved", _("{actor} dealt with held-back images of case {target}"), event_type=act
    )
    actions.register("case.images_added", _("{actor} added new images to case {target}"), event_type=act)
    actions.register("case.viewed", _("{actor} opened case {target} in the editor"), event_type=act)
    actions.register("case.changed", _("{actor} changed case {target}: {summary}"), event_type=act)
    actions.register(
        "case.restored", _("{actor} restored an earlier state of case {target} (edit {revision})"), event_type=act
    )
    actions.register("case.review_requested", _("{actor} asked for a review of case {target}"), event_type=act)
    actions.register("case.reviewed", _("{actor} reviewed case {target}: {verdict}"), event_type=act)
    actions.register(
        "case.published", _("{actor} published case {target} as version {version}"), event_type=actions.EXPORT
    )
    actions.register("case.retired", _("{actor} retired case {target}"), event_type=act)
    actions.register("case.deleted", _("{actor} deleted the draft case {target}"), event_type=act)
    actions.register("assignment.created", _("{actor} assigned {target} (cases: {cases})"), event_type=act)
    actions.register("assignment.changed", _("{actor} changed assignment {target}"), event_type=act)
    actions.register("assignment.withdrawn", _("{actor} withdrew assignment {target}"), event_type=act)
    actions.register("results.viewed", _("{actor} looked at learners' results of {target}"), event_type=act)
    actions.register(
        "results.exported",
        _("{actor} exported learners' results of {target} (rows: {rows})"),
        event_type=actions.EXPORT,
    )
