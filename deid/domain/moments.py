"""Dates and ages as people write them, in words and in short: "12 March 1961", "le 3 mai 61", "93-jährig"."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

# (year of two or four digits, month, day)
Moment = tuple[int, int, int]

# Months by the beginnings of their names, accents put aside. Beginnings serve for cases and abbreviations.
_MONTHS: Final[tuple[str, ...]] = (
    "jan january januar januari janvier enero gennaio janeiro ianuarie styczen stycznia leden ledna januar siječanj "
    "sijecanj tammikuu januára ocak gener январь января янв січень січня ιανουαριος ιανουαριου يناير tammi",
    "feb february februar februari fevrier febrero febbraio fevereiro luty lutego unor unora veljaca helmikuu subat "
    "februarie fev fevr февраль февраля фев лютий лютого φεβρουαριος φεβρουαριου فبراير helmi",
    "mar march marz maerz mars marzo marco maart marts mrz marzec marca brezen brezna ozujak maaliskuu mart martie "
    "март марта мар березень березня μαρτιος μαρτιου مارس maalis",
    "apr april avril abril aprile avr abr kwiecien kwietnia duben dubna travanj huhtikuu nisan aprilie апрель апреля "
    "апр квітень квітня απριλιος απριλιου ابريل huhti",
    "may mai maj mayo maggio maio mei kveten kvetna svibanj toukokuu mayis maja май мая травень травня μαιος μαιου "
    "مايو touko",
    "jun june juni juin junio giugno junho czerwiec czerwca cerven cervna lipanj kesakuu haziran iunie июнь июня июн "
    "червень червня ιουνιος ιουνιου يونيو kesa",
    "jul july juli juillet julio luglio julho lipiec lipca cervenec cervence srpanj heinakuu temmuz iulie juil июль "
    "июля июл липень липня ιουλιος ιουλιου يوليو heina",
    "aug august aout agosto augustus sierpien sierpnia srpen srpna kolovoz elokuu agustos ago август августа авг "
    "серпень серпня αυγουστος αυγουστου اغسطس elo",
    "sep sept september septembre septiembre settembre setembro wrzesien wrzesnia zari rujan syyskuu eylul septembrie "
    "сентябрь сентября сен вересень вересня σεπτεμβριος σεπτεμβριου سبتمبر syys",
    "oct october okt oktober octobre octubre ottobre outubro pazdziernik pazdziernika rijen rijna listopad lokakuu "
    "ekim octombrie октябрь октября окт жовтень жовтня οκτωβριος οκτωβριου اكتوبر loka",
    "nov november novembre noviembre novembro listopada studeni marraskuu kasim noiembrie ноябрь ноября ноя листопад "
    "листопада νοεμβριος νοεμβριου نوفمبر marras",
    "dec december dez dezember decembre diciembre dicembre dezembro grudzien grudnia prosinec prosince joulukuu "
    "aralik decembrie des desember декабрь декабря дек грудень грудня δεκεμβριος δεκεμβριου ديسمبر joulu",
)

_AGE_WORDS: Final = (
    r"y|yo|y/o|y\.o\.?|yr|yrs|year|years|jahre?|jahr|jahrige?[rsnm]?|jaehrige?[rsnm]?|j|ans|anos|anni|aar|ar|jaar|lat|let|"
    r"rok|roku|rokow|лет|года?|год|років|ετων|vuotta|yas|yasinda|歳|才|岁|歲|세|살|عاما|سنة"
)
_AGE: Final = re.compile(rf"(?<![\d.])0?(\d{{2,3}})[\s_-]*(?:{_AGE_WORDS})(?![^\W\d_])")
_AGE_FIRST: Final = re.compile(r"(?<![^\W\d_])(?:aged?|alter|wiek|vek|edad|eta|возраст)[\s:=_]*0?(\d{1,3})(?!\d)")
_DA_AGE: Final = re.compile(r"\d{2,3}y")
_TOKENS: Final = re.compile(r"\d+|[^\W\d_]+", re.UNICODE)
_SEPARATED: Final = re.compile(
    # Looked ahead of, so that "1 17.02.43" is read from its second figure too.
    r"(?<!\d)(?=(\d{1,4})\s*[-/.,年月日\s]\s*(\d{1,2})\s*[-/.,年月日\s]\s*(\d{1,4})(?!\d))"
)
_DIGITS: Final = re.compile(r"\d+")
_FULL_YEAR: Final = re.compile(r"(?<!\d)(?:18[89]\d|19\d\d|20[0-4]\d)(?!\d)")


def plain(text: str) -> str:
    """Lower case without accents, digits of other scripts as ASCII."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(_ascii_digit(c) for c in decomposed if not unicodedata.combining(c)).casefold()


def _ascii_digit(character: str) -> str:
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


@lru_cache(maxsize=1)
def _month_names() -> dict[str, int]:
    return {plain(name): number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}


def _month_of(word: str) -> int | None:
    names = _month_names()
    return names.get(word) or (names.get(word[:-1]) if len(word) > 4 else None)


def spoken(text: str) -> Iterator[Moment]:
    """Dates with the month in words, whatever the order, with two or four digits of the year."""
    tokens = _TOKENS.findall(plain(text))
    for position, word in enumerate(tokens):
        month = _month_of(word) if not word[0].isdigit() else None
        if month is None:
            continue
        near = [
            (number, int(tokens[number]))
            for number in range(max(0, position - 4), min(len(tokens), position + 5))
            if tokens[number].isdigit() and len(tokens[number]) <= 4
        ]
        for first, day in near:
            for second, year in near:
                if first != second and 1 <= day <= 31 and (len(tokens[second]) in (2, 4)):
                    yield year, month, day


def written(text: str) -> Iterator[Moment]:
    """Dates in figures, in every order that gives one: 17.02.1943, 2/17/43, 1943-2-17, 19430217, 170243."""
    folded = plain(text)
    for match in _SEPARATED.finditer(folded):
        yield from _orders(match[1], match[2], match[3])
    for digits in _DIGITS.findall(folded):
        if len(digits) == 8:
            yield from _orders(digits[:4], digits[4:6], digits[6:])
            yield from _orders(digits[:2], digits[2:4], digits[4:])
        elif len(digits) == 6:
            yield from _orders(digits[:2], digits[2:4], digits[4:])


def _orders(first: str, second: str, third: str) -> Iterator[Moment]:
    for year, month, day in (
        (first, second, third), (third, second, first), (third, first, second), (first, third, second),
    ):  # fmt: skip
        if (
            len(year) in (1, 2, 4)
            and len(month) <= 2
            and len(day) <= 2
            and 1 <= int(month) <= 12
            and 1 <= int(day) <= 31
        ):
            yield int(year), int(month), int(day)


def is_age(text: str) -> bool:
    """Whether a word is an age in the form of AS (093Y) or with its unit (93yo)."""
    return _DA_AGE.fullmatch(text) is not None or _AGE.fullmatch(text) is not None


def tells_age(text: str) -> bool:
    """Whether a text holds a number of years as of an age: "61 y", "aged 61"."""
    folded = plain(text)
    return _AGE.search(folded) is not None or _AGE_FIRST.search(folded) is not None


def tells(text: str) -> bool:
    """Whether a text holds a date in words, a date with its full year, or a person's age."""
    if tells_age(text):
        return True
    if any(True for _moment in spoken(text)):
        return True
    return any(_FULL_YEAR.fullmatch(str(year)) for year, _month, _day in written(text))


def variants(value: str) -> frozenset[Moment]:
    """A DA value as it may be written elsewhere: with two digits of the year, in other calendars' years."""
    digits = re.sub(r"\D", "", value)
    if len(digits) != 8:
        return frozenset()
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:])
    try:
        date = dt.date(year, month, day)
    except ValueError:
        return frozenset()
    years = {year, year % 100, year + 543, (year + 543) % 100, year - 1911, *_japanese(date)}
    return frozenset((one, month, day) for one in years if one > 0 or one == year % 100)


# First days of Japanese eras; the first year counts as 1.
_ERAS: Final = (
    dt.date(1868, 1, 25), dt.date(1912, 7, 30), dt.date(1926, 12, 25), dt.date(1989, 1, 8), dt.date(2019, 5, 1),
)  # fmt: skip


def _japanese(date: dt.date) -> Iterator[int]:
    for begins in _ERAS:
        if date >= begins:
            yield date.year - begins.year + 1


def of(text: str) -> frozenset[Moment]:
    """Every date that a text can be read as."""
    return frozenset((*spoken(text), *written(text)))
