"""Names for what the address of a list says, kept for a person and shared with their organisation.

Read here: `offered` (own views and shared ones) and `default_query`. Everything else writes. A shared view shows nothing by
itself: it is offered where its list is, to those who may open that list, and the list filters as always.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.translation import gettext as _

from core.errors import Conflict, Invalid, NotFound
from core.models import DefaultView, SavedView

if TYPE_CHECKING:
    from access.models import Organisation, User

MOST_PER_LIST = 50
LONGEST_NAME = 60
LONGEST_QUERY = 2000
#: What an address says beside filters, order and columns.
PASSING_KEYS = ("page", "format", "all")


@dataclass(frozen=True)
class Offered:
    view: SavedView
    is_own: bool
    is_default: bool

    @property
    def address(self) -> str:
        return f"{self.view.place}?{self.view.query}" if self.view.query else f"{self.view.place}?all=1"


def own(*, user: User) -> QuerySet[SavedView]:
    found: QuerySet[SavedView] = SavedView.objects.filter(owner=user)
    return found


def visible(*, user: User) -> QuerySet[SavedView]:
    """Own views and those that colleagues share, in the organisation of the scope."""
    found: QuerySet[SavedView] = SavedView.objects.filter(Q(owner=user) | Q(is_shared=True))
    return found


def offered(*, user: User, list_key: str, place: str) -> list[Offered]:
    rows = visible(user=user).filter(list_key=list_key, place=place).select_related("owner").order_by("name", "pk")
    chosen = DefaultView.objects.filter(person=user, list_key=list_key, place=place).values_list("view_id", flat=True)
    defaults = set(chosen)
    return [Offered(view=row, is_own=row.owner_id == user.pk, is_default=row.pk in defaults) for row in rows]


def default_query(*, user: User, list_key: str, place: str) -> str | None:
    """What the person opens this list with; None when they chose nothing, or what they chose is not theirs any more."""
    chosen = DefaultView.objects.filter(person=user, list_key=list_key, place=place).select_related("view").first()
    if chosen is None or not (chosen.view.owner_id == user.pk or chosen.view.is_shared):
        return None
    return str(chosen.view.query)


def tidy_query(query: str) -> str:
    """The part of a query string that a view keeps."""
    if len(query) > LONGEST_QUERY:
        raise Invalid(_("This list is narrowed by too much to be kept as a view."))
    found = QueryDict(query, mutable=True)
    for key in PASSING_KEYS:
        found.pop(key, None)
    for key in list(found):
        values = [value for value in found.getlist(key) if value and "\x00" not in value]
        if values:
            found.setlist(key, values)
        else:
            del found[key]
    return found.urlencode()


def tidy_name(name: str) -> str:
    words = " ".join(name.replace("\x00", "").split())
    if not words:
        raise Invalid(fields={"name": [_("Give the view a name.")]})
    if len(words) > LONGEST_NAME:
        raise Invalid(fields={"name": [_("A name has at most %d characters.") % LONGEST_NAME]})
    return words


@transaction.atomic
def save(
    *,
    user: User,
    organisation: Organisation,
    list_key: str,
    place: str,
    name: str,
    query: str,
    share: bool = False,
    make_default: bool = False,
) -> SavedView:
    """Keep what the address says under a name. The same name again takes the new address."""
    name, query = tidy_name(name), tidy_query(query)
    mine = own(user=user).filter(list_key=list_key, place=place)
    if not mine.filter(name=name).exists() and mine.count() >= MOST_PER_LIST:
        raise Conflict(_("At most %d views of a list can be kept. Delete one first.") % MOST_PER_LIST)
    view, _made = SavedView.objects.update_or_create(
        organisation=organisation,
        owner=user,
        list_key=list_key,
        place=place,
        name=name,
        defaults={"query": query, "is_shared": share},
    )
    if make_default:
        choose_default(user=user, view=view)
    saved: SavedView = view
    return saved


def get_own(*, user: User, public_id: str) -> SavedView:
    """One of the person's own views. A colleague's, shared or not, is `NotFound`: it is not theirs to change."""
    found = own(user=user).filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


def get_visible(*, user: User, public_id: str) -> SavedView:
    found = visible(user=user).filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


@transaction.atomic
def change(*, user: User, public_id: str, name: str, share: bool) -> SavedView:
    """Rename a view, share it or take it back."""
    view = get_own(user=user, public_id=public_id)
    name = tidy_name(name)
    twin = own(user=user).filter(list_key=view.list_key, place=view.place, name=name).exclude(pk=view.pk)
    if twin.exists():
        raise Invalid(fields={"name": [_("Another view of this list has this name.")]})
    view.name = name
    view.is_shared = share
    view.save(update_fields=["name", "is_shared"])
    if not share:
        DefaultView.objects.filter(view=view).exclude(person=user).delete()
    return view


@transaction.atomic
def delete(*, user: User, public_id: str) -> SavedView:
    view = get_own(user=user, public_id=public_id)
    view.delete()
    return view


def choose_default(*, user: User, view: SavedView) -> None:
    """Open the list with this view from now on."""
    DefaultView.objects.update_or_create(
        organisation_id=view.organisation_id,
        person=user,
        list_key=view.list_key,
        place=view.place,
        defaults={"view": view},
    )


def forget_default(*, user: User, view: SavedView) -> None:
    DefaultView.objects.filter(person=user, view=view).delete()


def is_place_of(*, place: str, organisation: Any) -> bool:
    """Whether a path lies in the organisation: a view never leads anywhere else."""
    return place.startswith(f"/o/{organisation.slug}/") and "//" not in place and "\\" not in place and "?" not in place
