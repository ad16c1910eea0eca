from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from audit import actions


def register() -> None:
    act, alert = actions.APPLICATION_ACTIVITY, actions.SECURITY_ALERT
    actions.register("trial.created", _("{actor} set up the trial {target}"), event_type=alert)
    actions.register("trial.changed", _("{actor} changed the trial {target}"), event_type=act)
    actions.register("trial.closed", _("{actor} closed the trial {target}: {reason}"), event_type=act)
    actions.register("trial.reopened", _("{actor} reopened the trial {target}: {reason}"), event_type=act)
    actions.register(
        "trial.held_asked",
        _("{actor} asked the managers of {archive} to decide on files held for trial {target} ({count})"),
        event_type=act,
    )
    actions.register("site.created", _("{actor} added the site {target} to trial {trial}"), event_type=act)
    actions.register("site.changed", _("{actor} changed the site {target} of trial {trial}"), event_type=act)
    actions.register("site.closed", _("{actor} closed the site {target} of trial {trial}: {reason}"), event_type=act)
    actions.register(
        "site.reopened", _("{actor} reopened the site {target} of trial {trial}: {reason}"), event_type=act
    )
    actions.register("subject.added", _("{actor} added subject {target} to trial {trial}"), event_type=act)
    actions.register("subject.changed", _("{actor} changed subject {target} of trial {trial}"), event_type=act)
    actions.register(
        "subject.moved_on", _("Subject {target} of trial {trial} went from {before} to {after}"), event_type=act
    )
    actions.register("subject.viewed", _("{actor} opened subject {target} of trial {trial}"), event_type=act)
    actions.register(
        "subject.list_exported",
        _("{actor} exported a list of subjects of {target} (rows: {count})"),
        event_type=actions.EXPORT,
    )
    actions.register(
        "study.matched", _("Study {target} was matched to subject {subject} of trial {trial}"), event_type=act
    )
    actions.register(
        "study.matched_across_sites",
        _("{actor} matched study {target}, which another site sent, to subject {subject} of trial {trial}: {reason}"),
        event_type=alert,
    )
    actions.register(
        "study.unmatched", _("{actor} took study {target} off subject {subject} of trial {trial}"), event_type=act
    )
