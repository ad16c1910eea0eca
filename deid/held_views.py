"""Pictures of a run: held images that wait for a person, and what the before/after page shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from access import proofs
from archive.domain.thumbnails import NoPicture
from audit import services as audit
from core.errors import Conflict, Invalid, NotFound, NothingChosen
from core.whole_numbers import read_whole_number
from deid import queries, services
from deid.errors import NoImageChosen, NoPictureOfIt
from deid.forms import HoldForm
from deid.models import DeidentificationRun
from deid.reasons import explain
from deid.services.holds import is_reason, may_release

SHOWN = 60
LOOKED_SECONDS = 3600


@never_cache
@require_GET
def run_held(request: Any, organisation: str, run: str) -> HttpResponse:
    """Held images with their pictures and reasons; for who may release them."""
    found = _run(request, run)
    may_release(actor=request.user, run=found)
    if request.GET.get("part") == "figure":
        wanted = read_whole_number(request.GET.get("image", ""))
        row = next((one for one in queries.open_holds(found) if one.pk == wanted), None)
        if row is None:
            raise NotFound
        return render(request, "deid/_held_figure.html", {"run": found, "row": row, "frame": frame_of(request, row)})
    return _held_page(request, found)


def _held_page(
    request: Any, run: DeidentificationRun, *, form: HoldForm | None = None, status: int = 200
) -> HttpResponse:
    """Held images and what was decided; with `form` as it was sent and what is wrong with it."""
    waiting = queries.open_holds(run)
    _looked(request, run, part="held")
    decisions = queries.hold_decisions(run)
    context = {
        "run": run,
        "rows": [(row, [explain(code) for code in row.reasons]) for row in waiting[:SHOWN]],
        "count": len(waiting),
        "more": max(0, len(waiting) - SHOWN),
        "decisions": decisions,
        "has_stored": any(one.is_in_archive for one in decisions),
        "target_study": queries.target_study(run),
        "form": form or HoldForm(),
        "chosen": set(_chosen(request)),
        "is_open": run.state in DeidentificationRun.REVIEWABLE_STATES,
    }
    return render(request, "deid/run_held.html", context, status=status)


def _is_whole(request: Any) -> bool:
    """Whether the form would do anything: only then presence is proven."""
    return bool(_chosen(request)) and is_reason(request.POST.get("reason", ""))


@proofs.needed("held-images", when=_is_whole)
@require_POST
def run_release(request: Any, organisation: str, run: str) -> HttpResponse:
    return _decide(
        request,
        run,
        act=services.release_images,
        said=lambda n: ngettext("%(n)s image released.", "%(n)s images released.", n),
        leads_to="deid:run",
    )


@proofs.needed("held-images", when=_is_whole)
@require_POST
def run_drop(request: Any, organisation: str, run: str) -> HttpResponse:
    return _decide(
        request,
        run,
        act=services.drop_images,
        said=lambda n: ngettext("%(n)s image left out.", "%(n)s images left out.", n),
        leads_to="deid:run-held",
    )


def _decide(
    request: Any, public_id: str, *, act: Callable[..., object], said: Callable[[int], str], leads_to: str
) -> HttpResponse:
    run = _run(request, public_id)
    may_release(actor=request.user, run=run)
    chosen, form = _chosen(request), HoldForm(request.POST)
    if not chosen:
        form.add_error(None, str(NoImageChosen.default_message))
    if form.is_valid():
        try:
            act(actor=request.user, run=run, instances=chosen, reason=form.cleaned_data["reason"], request=request)
        except (Conflict, Invalid) as error:
            form.add_error(None, str(error.message))
            return _held_page(request, _run(request, public_id), form=form, status=error.status_code)
        messages.success(request, said(len(chosen)) % {"n": len(chosen)})
        return redirect(leads_to, organisation=run.organisation.slug, run=run.public_id)
    return _held_page(request, run, form=form, status=422)


@require_POST
def run_take_back(request: Any, organisation: str, run: str) -> HttpResponse:
    """Undo decisions on held images; closes more than it opens, so that no proof is asked."""
    found = _run(request, run)
    may_release(actor=request.user, run=found)
    chosen = _chosen(request)
    if not chosen:
        back = reverse("deid:run-held", kwargs={"organisation": organisation, "run": run})
        raise NothingChosen(NoImageChosen.default_message, back=back)
    try:
        services.take_back(actor=request.user, run=found, instances=chosen, request=request)
    except Conflict as error:
        messages.error(request, str(error.message))
    else:
        said = ngettext("%(n)s image is held again.", "%(n)s images are held again.", len(chosen))
        messages.success(request, said % {"n": len(chosen)})
    return redirect("deid:run-held", organisation=organisation, run=run)


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
    if side == "before":
        services.note_shown(actor=request.user, run=found, instance_id=image, frame=frame)
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
    is_held = part == "held" or queries.was_held(run=run, instance_id=int(part))
    audit.record(
        action="deidentification.looked" if is_held else "deidentification.compared",
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
