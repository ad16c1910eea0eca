"""Bring the demo content in, through the services that people use. Every step looks first what is already there."""

from __future__ import annotations

from collections.abc import Callable

from core.tenancy import tenant
from pacsweb.demo.loader import albums, images, learning, reads, trials
from pacsweb.demo.loader.accounts import make_accounts
from pacsweb.demo.loader.containers import make_containers


def load(*, say: Callable[[str], None], size: str = "full", processes: int = 2) -> None:
    """Load or complete the demo. Interrupted anywhere, the next run goes on."""
    people = make_accounts(say=say)
    house = make_containers(people=people)
    say(f"2 organisations, {len(people.users)} people, {len(house.archives)} archives")
    with tenant(house.demo):
        trials.load_trial(house=house, say=say)
    shelf = images.load_images(house=house, say=say, size=size, processes=processes)
    with tenant(house.partner):
        learning.load_cases(house=house, library=house.libraries["partner"], shelf=shelf, say=say)
    with tenant(house.demo):
        learning.load_cases(house=house, library=house.libraries["demo"], shelf=shelf, say=say)
        learning.load_draft(house=house, say=say)
        learning.load_courses(house=house, say=say)
        reads.load_reads(house=house, say=say)
        albums.load_album(house=house, say=say)
    images.settle(house=house, say=say)
    with tenant(house.demo):
        trials.note_time_points(house=house)
