"""Albums: the list, one album, and what is done with its studies."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.forms import add_errors
from access.queries import may
from archive import services as archive_services
from archive.albums import queries, services
from archive.albums.forms import NEW, AddForm, AlbumForm
from archive.albums.lists import AlbumStudyTable, AlbumTable, album_url, album_viewer_url
from archive.albums.models import Album
from archive.models import Archive, Study
from archive.permissions import EXPORT
from archive.views.common import load_archive, note_search, page_context
from archive.views.studies import chosen_keys, selected_studies
from audit import services as audit
from core.errors import Conflict, Invalid

STUDIES_NAMED = 20
#: What was taken out last, in the session, so that it can be put back.
REMOVED = "album_removed"


def load_album(request: Any, archive: str, album: str) -> Album:
    """The album of the address, authorised. Raises `NotFound` or `Forbidden`."""
    found = load_archive(request, archive)
    return queries.get_album(user=request.user, archive=found, public_id=album)


@require_GET
def album_list(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive)
    rows = queries.counted(queries.albums(user=request.user, archive=found))
    table = AlbumTable(request=request, queryset=rows, context={"archive": found})
    context = {} if table.is_fragment_request else page_context(request, found, tab="albums")
    return table.respond("archive/album_list.html", context)


@require_http_methods(["GET", "POST"])
def album_create(request: Any, organisation: str, archive: str) -> HttpResponse:
    found = load_archive(request, archive)
    form = AlbumForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            album = services.create_album(actor=request.user, archive=found, request=request, **form.cleaned_data)
        except Invalid as error:
            _add_error(form, error)
        else:
            messages.success(request, _("The album is there. Add studies from the study list."))
            return redirect(album_url(album))
    context = page_context(request, found, tab="albums") | {"form": form}
    return render(request, "archive/album_edit.html", context, status=422 if request.method == "POST" else 200)


@require_http_methods(["GET", "POST"])
def album_edit(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    found = load_album(request, archive, album)
    queries.require_change(user=request.user, album=found)
    initial = {name: getattr(found, name) for name in AlbumForm.base_fields}
    form = AlbumForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_album(actor=request.user, album=found, request=request, **form.cleaned_data)
        except Invalid as error:
            _add_error(form, error)
        else:
            messages.success(request, _("The album is kept."))
            return redirect(album_url(found))
    context = page_context(request, found.archive, tab="albums") | {
        "form": form,
        "album": found,
        "outside": queries.outside_words(queries.outside_of(found)),
    }
    return render(request, "archive/album_edit.html", context, status=422 if request.method == "POST" else 200)


def _add_error(form: Any, error: Invalid) -> None:
    add_errors(form, error.fields)
    if not error.fields:
        form.add_error(None, str(error.message))


@require_GET
def album_detail(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    found = load_album(request, archive, album)
    table = _table(request, found)
    note_search(request, found.archive, table)
    if not table.is_fragment_request:
        audit.record(
            action="album.opened",
            organisation=request.organisation,
            target=found,
            detail={"archive": found.archive.slug},
            request=request,
        )
    return _album_page(request, found, table)


def _table(request: Any, album: Album) -> AlbumStudyTable:
    rows = queries.studies(user=request.user, album=album)
    context = {
        "archive": album.archive,
        "album": album,
        "may_change": queries.may_change(user=request.user, album=album),
    }
    return AlbumStudyTable(request=request, queryset=rows, context=context)


def _album_page(request: Any, album: Album, table: AlbumStudyTable) -> HttpResponse:
    context = page_context(request, album.archive, tab="albums")
    if not table.is_fragment_request:
        total: Any = queries.counted(Album.objects.filter(pk=album.pk)).get()
        context |= {
            "total": total,
            "outside": queries.outside_words(queries.outside_of(album)),
            "viewer_url": album_viewer_url(album) if total.study_count else "",
            "removed": len(_removed(request, album)),
            "may_audit": may(request.user, "access.view_audit", request.organisation),
        }
    return table.respond("archive/album_detail.html", context)


# Acts on what is in it ------------------------------------------------------------------------------------------------


@require_POST
def album_add(request: Any, organisation: str, archive: str) -> HttpResponse:
    """Ask into which album the chosen studies go; with the answer, put them there."""
    found = load_archive(request, archive)
    studies = in_order_chosen(request, found)
    choices = queries.addable(user=request.user, archive=found)
    is_asked = "add" not in request.POST
    form = AddForm(None if is_asked else request.POST, choices=choices)
    if not is_asked and form.is_valid():
        try:
            return _add(request, found, studies=studies, data=dict(form.cleaned_data))
        except Invalid as error:
            _add_error(form, error)
    context = page_context(request, found, tab="studies") | {
        "form": form,
        "studies": studies[:STUDIES_NAMED],
        "unnamed": max(0, len(studies) - STUDIES_NAMED),
        "selected": [study.public_id for study in studies],
        "next": _next(request, request.POST.get("next") or request.headers.get("Referer", "")),
        "shared": [(row, queries.outside_words(seen)) for row, seen in choices if seen.total],
    }
    return render(request, "archive/album_add.html", context, status=200 if is_asked else 422)


def in_order_chosen(request: Any, archive: Archive) -> list[Study]:
    ranks = {key: number for number, key in enumerate(request.POST.getlist("selected"))}
    came_from = _next(request, request.POST.get("next") or request.headers.get("Referer", ""))
    return sorted(selected_studies(request, archive, back=came_from), key=lambda study: ranks[study.public_id])


def _add(request: Any, archive: Archive, *, studies: list[Study], data: dict[str, Any]) -> HttpResponse:
    chosen = data.pop("album", NEW)
    if chosen != NEW:
        album = queries.get_album(user=request.user, archive=archive, public_id=chosen)
        done = services.add_studies(actor=request.user, album=album, studies=studies, request=request)
    else:
        album = services.create_album(actor=request.user, archive=archive, studies=studies, request=request, **data)
        done = services.Added(added=len(studies), known=0)
    messages.success(request, _added_words(album, done))
    return redirect(_next(request, request.POST.get("next", "")) or album_url(album))


def _added_words(album: Album, done: services.Added) -> str:
    said = ngettext("%(n)s study was added to “%(name)s”.", "%(n)s studies were added to “%(name)s”.", done.added)
    parts = [said % {"n": done.added, "name": album.name}] if done.added or not done.known else []
    if done.known:
        was = ngettext("%(n)s was in “%(name)s” already.", "%(n)s were in “%(name)s” already.", done.known)
        parts.append(was % {"n": done.known, "name": album.name})
    return " ".join(parts)


def _next(request: Any, address: str) -> str:
    """The page the person came from, so that collecting goes on where it was; "" when it is none of ours."""
    if not address or not url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return ""
    parts = urlsplit(address)
    inside = reverse("archive:archive-list", kwargs={"organisation": request.organisation.slug})
    if not parts.path.startswith(inside) or parts.path == request.path:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


@require_POST
def album_remove(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    found = load_album(request, archive, album)
    queries.require_change(user=request.user, album=found)
    places = services.remove_studies(
        actor=request.user, album=found, studies=_selected(request, found), request=request
    )
    if places:
        request.session[REMOVED] = {
            "album": found.public_id,
            "places": [[place.study, place.position] for place in places],
        }
    return redirect(_back(request, found))


def _removed(request: Any, album: Album) -> list[services.Place]:
    """What was taken out of this album last and can be put back."""
    kept = request.session.get(REMOVED) or {}
    if kept.get("album") != album.public_id:
        return []
    return [services.Place(study=study, position=position) for study, position in kept.get("places", [])]


@require_POST
def album_put_back(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    found = load_album(request, archive, album)
    queries.require_change(user=request.user, album=found)
    places = _removed(request, found)
    if not places:
        raise Conflict(_("There is nothing to put back: it was put back already, or something else was removed since."))
    count = services.put_back(actor=request.user, album=found, places=places, request=request)
    del request.session[REMOVED]
    said = ngettext("%(n)s study is back where it was.", "%(n)s studies are back where they were.", count)
    messages.success(request, said % {"n": count})
    return redirect(album_url(found))


@require_POST
def album_move(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    """Move studies up, down, or to an end; answers with the list when the list asks."""
    found = load_album(request, archive, album)
    queries.require_change(user=request.user, album=found)
    direction = request.POST.get("direction", "")
    if direction not in ("up", "down", "first", "last"):
        raise Invalid(_("Choose where the studies go."))
    services.move_studies(
        actor=request.user, album=found, studies=_selected(request, found), direction=direction, request=request
    )
    table = _table(request, found)
    return _album_page(request, found, table) if table.is_fragment_request else redirect(_back(request, found))


@require_POST
def album_arrange(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    """Keep the order in which the list is shown."""
    found = load_album(request, archive, album)
    queries.require_change(user=request.user, album=found)
    services.arrange(actor=request.user, album=found, studies=_table(request, found).sorted_keys(), request=request)
    messages.success(request, _("The album has this order now."))
    return redirect(album_url(found))


@require_POST
def album_export(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    found = load_album(request, archive, album)
    rows = queries.studies(user=request.user, album=found).select_related("archive", "organisation")
    load_archive(request, archive, EXPORT)
    archive_services.start_export(actor=request.user, archive=found.archive, studies=list(rows), request=request)
    messages.info(request, _("The export is being packed; it appears under jobs and can be fetched for a day."))
    return redirect(album_url(found))


@require_POST
def album_delete(request: Any, organisation: str, archive: str, album: str) -> HttpResponse:
    found = load_album(request, archive, album)
    queries.require_change(user=request.user, album=found)
    closed = services.delete_album(actor=request.user, album=found, request=request)
    said = _("The album “%(name)s” is deleted; its studies are where they were.") % {"name": found.name}
    if closed:
        said += " " + ngettext("%(n)s share of it was closed.", "%(n)s shares of it were closed.", closed) % {
            "n": closed
        }
    messages.success(request, said)
    return redirect("archive:album-list", organisation=organisation, archive=archive)


def _selected(request: Any, album: Album) -> list[str]:
    return chosen_keys(request, back=_back(request, album))


def _back(request: Any, album: Album) -> str:
    """The page of the album as it was shown."""
    query = request.META.get("QUERY_STRING", "")
    return f"{album_url(album)}?{query}" if query else album_url(album)
