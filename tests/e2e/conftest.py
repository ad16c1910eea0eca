from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.e2e.system import Person, System
from tests.roof.trees import Tree


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    tree = Tree.at(tmp_path_factory.mktemp("whole") / "var", PACSWEB_DEMO="small")
    try:
        tree.up()
        yield System(tree=tree)
    finally:
        tree.down()


@pytest.fixture
def sign_in(chromium: Browser, system: System) -> Iterator[Callable[[str], Person]]:
    """`sign_in("educator@demo")` opens a browser of that person; complaints of any of them fail the test."""
    people: list[Person] = []

    def enter(username: str) -> Person:
        person = Person.at(chromium, system=system, username=username)
        people.append(person)
        return person

    yield enter
    for person in people:
        person.page.context.close()
    assert [complaint for person in people for complaint in person.complaints] == []
