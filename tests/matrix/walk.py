"""Every named route of the resolver, filled with what stands in a world, and asked without leaving a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.matrix.world import World

METHODS = ("get", "post", "put", "patch", "delete")
NOT_ALLOWED = 405


def routes() -> Iterator[tuple[str, frozenset[str]]]:
    """Name and argument names of every route; a route without a name fails."""

    def walk(resolver: URLResolver, spaces: tuple[str, ...], known: frozenset[str]) -> Iterator[Any]:
        for entry in resolver.url_patterns:
            names = known | frozenset(entry.pattern.regex.groupindex)
            if isinstance(entry, URLResolver):
                yield from walk(entry, (*spaces, entry.namespace) if entry.namespace else spaces, names)
            elif isinstance(entry, URLPattern):
                assert entry.name, f"{entry.pattern} has no name"
                yield ":".join((*spaces, entry.name)), names

    # One view may stand at several addresses under one name (with and without a trailing part): the fullest counts.
    seen: dict[str, frozenset[str]] = {}
    for name, arguments in walk(get_resolver(), (), frozenset()):
        if len(arguments) >= len(seen.get(name, ())):
            seen[name] = arguments
    yield from sorted(seen.items())


INSIDE = [(name, arguments) for name, arguments in routes() if "organisation" in arguments]


def address(*, route: str, arguments: frozenset[str], world: World, **other: Any) -> str:
    values = {name: other.get(name, world.value_for(route=route, name=name)) for name in arguments}
    missing = [name for name, value in values.items() if value is None]
    assert not missing, f"{route}: give the world a value for {missing}"
    return reverse(route, kwargs=values)


def ask(client: Client, method: str, place: str, *, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and whole answer; what the request changed is rolled back."""
    with transaction.atomic():
        answer = getattr(client, method)(place, headers=headers)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    lines = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode()
    return answer.status_code, lines + b"\n\n" + body


def known_methods(client: Client, place: str) -> tuple[str, ...]:
    """Those of the methods that the view behind an address knows, whoever asks. A view that is asked by a method that
    nobody has tells them; one that answers even that is asked by each."""
    with transaction.atomic():
        answer = client.generic("STRANGE", place)
        transaction.set_rollback(True)
    if answer.status_code == NOT_ALLOWED and (told := answer.headers.get("Allow")):
        allowed = {method.strip().lower() for method in told.split(",")}
        return tuple(method for method in METHODS if method in allowed)
    return tuple(method for method in METHODS if ask(client, method, place)[0] != NOT_ALLOWED)
