"""Images that come into the studies of published cases."""

from __future__ import annotations

from archive.models import Study
from teaching import notices, pinned
from teaching.models import Case


def study_settled(*, study: Study) -> None:
    """Called when a study is complete (`archive.hooks.on_study_settled`): published cases that lack some of it are
    named to their authors. Calling it again renews the same line."""
    rows = Case.objects.filter(current_version__version_studies__study=study, state=Case.State.PUBLISHED)
    cases = rows.select_related("library", "organisation")
    grown = pinned.with_new_images(list(rows.order_by().values_list("pk", flat=True)))
    for case in cases:
        if case.pk in grown:
            notices.images_arrived(case=case)
