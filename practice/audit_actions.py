from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from audit import actions


def register() -> None:
    act = actions.APPLICATION_ACTIVITY
    actions.register(
        "attempt.started", _("{actor} began to read case {case} as an unknown"), event_type=actions.INSTANCES_ACCESSED
    )
    actions.register("attempt.committed", _("{actor} committed the read of case {case}"), event_type=act)
    actions.register("attempt.abandoned", _("{actor} abandoned the read of case {case}"), event_type=act)
    actions.register("attempt.scored", _("{actor} scored an answer about case {case}"), event_type=act)
    actions.register(
        "attempt.result_viewed", _("{actor} looked at the result of a read of case {case}"), event_type=act
    )
    actions.register(
        "truth.revealed", _("The truth of case {case} was shown to {actor}"), event_type=actions.INSTANCES_ACCESSED
    )
