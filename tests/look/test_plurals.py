"""“1 images” is nowhere: what counts something chooses its words by the number."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("access", "archive", "audit", "core", "deid", "dicomweb", "dimse", "practice", "teaching", "trials", "viewer")
NOUNS = (
    "accounts|albums|archives|attempts|callers|cases|changes|copies|days|devices|differences|elements|events|files|frames|"
    "guests|hours|images|instances|items|jobs|learners|lesions|lines|lists|marks|members|minutes|months|notifications|"
    "passkeys|patients|people|persons|places|points|questions|readers|reads|records|reports|rights|roles|rows|runs|"
    "seconds|senders|sessions|shares|sites|studies|subjects|things|times|tokens|versions|views|visits|weeks|words"
)
#: What stands in braces and is no number.
NAMES = r"(?:actor|target|name|archive|study)"
#: A number, and right behind it, with at most one word between, what there is so many of.
COUNTED = re.compile(
    rf"(?:%\((?!{NAMES}\))\w+\)[sd]|%d|(?<!\{{)\{{(?!{NAMES}\}})\w+\}}|\{{\{{[^}}]+\}}\}}) (?:[a-z-]+ )?(?:{NOUNS})\b"
)
#: What is never one: limits that the code sets.
LIMITS = re.compile(r"[Aa]t most|[Aa]t least|[Bb]etween|only the first|[Mm]ore than")
BLOCK = re.compile(r"{% blocktranslate(?P<head>[^%]*)%}(?P<body>.*?){% endblocktranslate %}", re.DOTALL)


def without_counting(text: str) -> list[str]:
    """Of a template the sentences with a number that have one form only."""
    found = []
    for block in BLOCK.finditer(text):
        counts = re.search(r"\bcount\b", block["head"])
        if not counts and COUNTED.search(block["body"]) and not LIMITS.search(block["body"]):
            found.append(block["body"].strip())
    outside = BLOCK.sub("", text)
    return found + [match.group() for match in COUNTED.finditer(outside) if match.group().startswith("{{")]


def plain_sentences(source: str) -> Iterator[str]:
    """Of Python code the texts handed to `gettext` under any of its names, but not to `ngettext`."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("_", "gettext", "gettext_lazy", "_lazy") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def counts_in_one_form(text: str, *, among: Sequence[str]) -> bool:
    """Whether nothing says the same of one. Scripts in the browser get both forms as sentences of their own."""
    match = COUNTED.search(text)
    if match is None or LIMITS.search(text):
        return False
    words = match.group()
    number, _space, noun = words.partition(" ")
    singular = text.replace(words, f"{number} {noun.removesuffix('s')}")
    return not {singular, singular.replace(number, "1")} & set(among)


def test_sentences_that_count_have_a_form_for_one_in_templates() -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in sorted((ROOT / "templates").rglob("*.html"))
        if path.name != "design.html" and (wrong := without_counting(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_sentences_that_count_have_a_form_for_one_in_code() -> None:
    found: dict[str, list[str]] = {}
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" in path.parts:
                continue
            texts = list(plain_sentences(path.read_text(encoding="utf-8")))
            wrong = [text for text in texts if counts_in_one_form(text, among=texts)]
            if wrong:
                found[str(path.relative_to(ROOT))] = wrong
    assert found == {}


def test_the_search_finds_a_sentence_that_counts_without_a_form_for_one() -> None:
    assert without_counting("{% blocktranslate with n=x %}{{ n }} images wait{% endblocktranslate %}") == [
        "{{ n }} images wait"
    ]
    assert without_counting("{{ n|thousands }} files") == ["{{ n|thousands }} files"]
    counted = "{% blocktranslate count n=x %}{{ n }} image{% plural %}{{ n }} images{% endblocktranslate %}"
    assert without_counting(counted) == []
    code = 'a = _("%(n)s images")\nb = ngettext("%(n)s image", "%(n)s images", n)'
    assert [text for text in plain_sentences(code) if COUNTED.search(text)] == ["%(n)s images"]
