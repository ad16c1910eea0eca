"""Pictures of a run: held images that wait for a person, and what the before/after page shows."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from access import proofs
from archive.domain.thumbnails import NoPicture
from audit import services as audit
from core.errors import NotFound
from core.whole_numbers import read_whole_number
from deid import queries, services
from deid.errors import NoPictureOfIt
from deid.forms import HoldForm
from deid.models import DeidentificationRun
from deid.reasons import explain
from deid.services.holds import may_release

SHOWN = 60
LOOKED_SECONDS = 3600


@never_cache
@require_GET
def run_held(request: Any, organisation: str, run: str) -> HttpResponse:
    """Held images with their pictures and reasons; for who may release them."""
    found = _run(request, run)
    may_release(actor=request.user, run=found)
    waiting = queries.open_holds(found)
    if request.GET.get("part") == "figure":
        wanted = read_whole_number(request.GET.get("image", ""))
        row = next((one for one in waiting if one.pk == wanted), None)
        if row is None:
            raise NotFound
        return render(request, "deid/_held_figure.html", {"run": found, "row": row, "frame": frame_of(request, row)})
    _looked(request, found, part="held")
    context = {
        "run": found,
        "rows": [(row, [explain(code) for code in row.reasons]) for row in waiting[:SHOWN]],
        "count": len(waiting),
        "more": max(0, len(waiting) - SHOWN),
        "decided": queries.decided_holds(found),
        "form": HoldForm(),
        "is_open": found.state in DeidentificationRun.REVIEWABLE_STATES,
    }
    return render(request, "deid/run_held.html", context)


@proofs.needed("held-images")
@require_POST
def run_release(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    chosen = _chosen(request)
    services.release_images(
        actor=request.user, run=found, instances=chosen, reason=request.POST.get("reason", ""), request=request
    )
    message = ngettext("%(n)s image released.", "%(n)s images released.", len(chosen)) % {"n": len(chosen)}
    messages.success(request, message)
    return redirect("deid:run", organisation=found.organisation.slug, run=found.public_id)


@proofs.needed("held-images")
@require_POST
def run_drop(request: Any, organisation: str, run: str) -> HttpResponse:
    found = _run(request, run)
    chosen = _chosen(request)
    services.drop_images(
        actor=request.user, run=found, instances=chosen, reason=request.POST.get("reason", ""), request=request
    )
    message = ngettext("%(n)s image left out.", "%(n)s images left out.", len(chosen)) % {"n": len(chosen)}
    messages.info(request, message)
    return redirect("deid:run-held", organisation=found.organisation.slug, run=found.public_id)


@never_cache
@require_GET
def run_picture(request: Any, organisation: str, run: str, image: int, side: str) -> HttpResponse:
    """One frame before or after, for readers of the source archive; nothing of it is kept."""
    found = _run(request, run)
    frame = read_whole_number(request.GET.get("frame", "1")) or 1
    try:
        picture = queries.picture(
            user=request.user,
            run=found,
            instance_id=image,
            side=side,
            frame=frame,
            full_range=request.GET.get("range") == "full",
        )
    except NoPicture as error:
        raise NoPictureOfIt from error
    _looked(request, found, part=str(image))
    return HttpResponse(picture, content_type="image/webp")


def frame_of(request: Any, row: Any) -> int:
    """The frame asked for, within those that there are."""
    frames = row.source_instance.number_of_frames if row.source_instance is not None else 0
    wanted = read_whole_number(request.GET.get("frame", "")) or 1
    return max(1, min(wanted, frames or 1))


def _looked(request: Any, run: DeidentificationRun, *, part: str) -> None:
    """Once an hour for a person and an image: a page of pictures is one look."""
    if not cache.add(f"deid-looked:{run.pk}:{request.user.pk}:{part}", 1, LOOKED_SECONDS):
        return
    audit.record(
        action="deidentification.looked",
        organisation=run.organisation,
        actor=request.user,
        target=run,
        detail={"images": part},
        request=request,
    )


def _chosen(request: Any) -> list[int]:
    numbers = [read_whole_number(text) for text in request.POST.getlist("instances")[:10_000]]
    return sorted({number for number in numbers if number is not None})


def _run(request: Any, public_id: str) -> DeidentificationRun:
    return queries.run_for(user=request.user, organisation=request.organisation, public_id=public_id)
