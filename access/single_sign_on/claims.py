"""What a provider said of a person, and which roles follow. No request, no network, no tables."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Protocol

MOST_VALUES = 2000
LONGEST_NAME = 191  # of a column of django-allauth; a subject may have 255
LONGEST_VALUE = 1000


class Rule(Protocol):
    claim: str
    how: str
    value: str


def values_at(claims: Mapping[str, Any], path: str) -> list[str]:
    """The values at a path, lists flattened; numbers and truth values as text, anything deeper left out.

    A claim whose own name has dots (`https://hospital.example/roles`) is found before the path is taken apart.
    """
    found: list[str] = []
    _collect(_at(claims, path), into=found)
    return found


def _at(claims: Any, path: str) -> Any:
    if not isinstance(claims, Mapping):
        return None
    if path in claims:
        return claims[path]
    for cut in range(len(path) - 1, 0, -1):
        if path[cut] == "." and path[:cut] in claims:
            deeper = _at(claims[path[:cut]], path[cut + 1 :])
            if deeper is not None:
                return deeper
    return None


def _collect(value: Any, *, into: list[str]) -> None:
    for one in value if isinstance(value, list) else [value]:
        if len(into) >= MOST_VALUES:
            return
        if isinstance(one, bool):
            into.append("true" if one else "false")
        elif isinstance(one, (str, int)) and len(str(one)) <= LONGEST_VALUE:
            into.append(str(one))


def matches(rule: Rule, claims: Mapping[str, Any]) -> bool:
    values = values_at(claims, rule.claim)
    if rule.how == "like":
        # Brackets mean themselves: names of groups have them, and people would not expect a character class.
        pattern = rule.value.replace("[", "[[]")
        return any(fnmatchcase(value, pattern) for value in values)
    return rule.value in values


def proved_second_factor(claims: Mapping[str, Any], *, values: Iterable[str]) -> bool:
    """RFC 8176: `amr` lists the methods; `acr` names the class as a whole."""
    said = {*values_at(claims, "amr"), *values_at(claims, "acr")}
    return bool(said & set(values))


def text_at(claims: Mapping[str, Any], path: str, *, longest: int) -> str:
    """One line of text without control characters."""
    values = values_at(claims, path)
    plain = "".join(character if character.isprintable() else " " for character in values[0]) if values else ""
    return " ".join(plain.split())[:longest]


# Claims that mean something only beside each other, or only when signed: all from one document, or not at all.
TOGETHER = (("email", "email_verified"),)
SIGNED_ONLY = frozenset({"amr", "acr", "auth_time"})


def merged(*, signed: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of an ID token with those that the userinfo address adds. What is signed goes before what is not.

    An address and the word that it is verified come from the same document: one about "a@x" says nothing of "b@x".
    """
    added = {name: value for name, value in more.items() if name not in SIGNED_ONLY}
    for names in TOGETHER:
        if any(name in signed for name in names):
            for name in names:
                added.pop(name, None)
    return {**added, **signed}


def verified_email(claims: Mapping[str, Any]) -> str:
    """The address, if the provider says in so many words that it is verified."""
    email = claims.get("email")
    return email.strip().lower() if isinstance(email, str) and claims.get("email_verified") is True else ""


def kept_name(name: str) -> str:
    """What a provider calls a person or a session, as we keep it; a very long one by its hash."""
    return name if len(name) <= LONGEST_NAME else f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"
