"""Text of a data set: decoded by its character sets, cleaned for the database, folded for search.

The one decoder of the product (PS3.5 6.1, PS3.3 C.12.1.1.2): index, search, metadata, rewriting and pages all use it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

ESCAPE: Final = b"\x1b"
UTF_8: Final = "utf-8"
# The default repertoire (ISO_IR 6): seven bits. What else a value holds is guessed, see `decode`.
DEFAULT: Final = "ascii"

# PS3.3 tables C.12-2 to C.12-5, by the ISO registration number; code extensions (“ISO 2022”) decode alike.
_BY_NUMBER: Final = {
    "6": DEFAULT,
    "13": "shift_jis",
    "14": "shift_jis",
    "58": "gb18030",
    "87": "iso2022_jp",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "euc_kr",
    "159": "iso2022_jp_2",
    "166": "iso8859_11",
    "192": UTF_8,
    "203": "iso8859_15",
}
# What devices write instead, without spaces, hyphens and underscores.
_BY_NAME: Final = {
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "GB2312": "gb18030",
    "EUCCN": "gb18030",
    "BIG5": "big5",
    "EUCKR": "euc_kr",
    "KSC5601": "euc_kr",
    "KSX1001": "euc_kr",
    "CP949": "cp949",
    "SHIFTJIS": "shift_jis",
    "SJIS": "shift_jis",
    "EUCJP": "euc_jp",
    "UTF8": UTF_8,
    "UNICODE": UTF_8,
    "LATIN1": "latin_1",
    "KOI8R": "koi8_r",
    "TIS620": "iso8859_11",
    "ASCII": DEFAULT,
    "USASCII": DEFAULT,
}
_REGISTERED: Final = re.compile(r"ISO(?:2022)?(?:IR)?(\d{1,3})\Z")
_PART_OF_8859: Final = re.compile(r"(?:ISO)?8859(\d{1,2})\Z")
_WINDOWS: Final = re.compile(r"(?:WINDOWS|CP)(125[0-8])\Z")

# PS3.5 6.1.2.5.4 and PS3.3 C.12.1.1.2: the escape sequences, and what they designate.
_ESCAPES: Final = re.compile(rb"\x1b(\$\)[AC]|\$\([DB]|\$[B@]|\([BJ]|\)I|-[ABCDFGHLMTb])")
_RIGHT_HALF: Final = {
    b"$)A": "gb18030",
    b"$)C": "euc_kr",
    b")I": "shift_jis",
    b"-A": "latin_1",
    b"-B": "iso8859_2",
    b"-C": "iso8859_3",
    b"-D": "iso8859_4",
    b"-F": "iso8859_7",
    b"-G": "iso8859_6",
    b"-H": "iso8859_8",
    b"-L": "iso8859_5",
    b"-M": "iso8859_9",
    b"-T": "iso8859_11",
    b"-b": "iso8859_15",
}
# Two bytes a character in the left half: Kanji, and the supplementary Kanji.
_LEFT_HALF_PAIRS: Final = {b"$B": "iso2022_jp", b"$@": "iso2022_jp", b"$(B": "iso2022_jp", b"$(D": "iso2022_jp_2"}
# PS3.5 6.1.2.5.3: after one of these the first stated character set holds again.
_NAME_DELIMITERS: Final = re.compile(rb"([\^=\\])")
_TEXT_DELIMITERS: Final = re.compile(rb"([\\\r\n\t\f])")
# Where the stated repertoire is too narrow, what its devices write all the same.
_WIDER: Final = {"shift_jis": "cp932", "euc_kr": "cp949", "big5": "cp950", "euc_jp": "euc_jis_2004"}


def encodings_of(raw: bytes | None) -> list[str]:
    """Python encodings of a Specific Character Set value (0008,0005); unknown terms count as the default repertoire.

    Common misspellings (`ISO_IR192`, `ISO IR 149`, `ISO_IR_58`, `UTF-8`, `GB2312`) are read as what they mean.
    """
    if not raw:
        return []
    terms = raw.decode("ascii", "replace").split("\\")
    found = [_encoding_of(term) for term in terms]
    return found if any(term.strip(" \0") for term in terms) else []


def _encoding_of(term: str) -> str:
    bare = re.sub(r"[\s\0_.:-]+", "", term).upper()
    if (registered := _REGISTERED.match(bare)) and registered[1] in _BY_NUMBER:
        return _BY_NUMBER[registered[1]]
    if bare in _BY_NAME:
        return _BY_NAME[bare]
    if (part := _PART_OF_8859.match(bare)) and part[1] in {str(n) for n in (*range(1, 12), 13, 14, 15, 16)}:
        return f"iso8859_{part[1]}"
    if windows := _WINDOWS.match(bare):
        return f"cp{windows[1]}"
    return DEFAULT


def decode(raw: bytes, encodings: Sequence[str], *, is_name: bool = False) -> str:
    """Text of a raw value, backslashes and component groups included.

    Bytes that the stated character sets cannot hold are read as UTF-8, then by the wider set that devices of that
    region use, then as Latin-1: something to find the patient by is better than nothing.
    """
    if ESCAPE not in raw:
        if raw.isascii() and not any(encoding.startswith("iso2022") for encoding in encodings[:1]):
            return clean(raw.decode("ascii"))
        return clean(_plain(raw, encodings))
    return clean(_with_escapes(raw, encodings, delimiters=_NAME_DELIMITERS if is_name else _TEXT_DELIMITERS))


def _plain(raw: bytes, encodings: Sequence[str]) -> str:
    """Text without escape sequences."""
    first = encodings[0] if encodings else DEFAULT
    # With only the default repertoire stated there should be no eighth bit. There is: most often UTF-8, or the character
    # set that a code extension names, written without its escape sequences.
    candidates = [first] if first != DEFAULT else [UTF_8, *(one for one in encodings[1:] if one != DEFAULT)]
    for encoding in (*candidates, UTF_8, *(_WIDER[one] for one in candidates if one in _WIDER)):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin_1")


def _with_escapes(raw: bytes, encodings: Sequence[str], *, delimiters: re.Pattern[bytes]) -> str:
    first = encodings[0] if encodings else DEFAULT
    pieces: list[str] = []
    left = ""
    right = first
    position = 0
    for found in (*_ESCAPES.finditer(raw), None):
        segment = raw[position : found.start() if found else len(raw)]
        if left:
            pieces.append(_pairs(segment, left))
        elif right == first or first == DEFAULT:
            # Writers that designate a set once a value, not once a component, mean it until its end.
            pieces.append(_plain(segment, [right]))
        else:
            for number, part in enumerate(delimiters.split(segment)):
                if number % 2:
                    right = first
                pieces.append(_plain(part, [right]))
        if found is None:
            break
        position = found.end()
        designation = found[1]
        if designation in _RIGHT_HALF:
            # A set of the right half leaves the left one as it is, but nobody mixes it with pairs of the left.
            left, right = "", _RIGHT_HALF[designation]
        else:
            left = _LEFT_HALF_PAIRS.get(designation, "")
    return "".join(pieces)


def _pairs(segment: bytes, encoding: str) -> str:
    """Two-byte characters of the left half; a delimiter that stands behind them without an escape is taken as one."""
    escape = b"\x1b$(D" if encoding == "iso2022_jp_2" else b"\x1b$B"
    pieces = []
    for number, part in enumerate(re.split(rb"([\x00-\x20]+|[\^=\\](?=$))", segment)):
        if number % 2:
            pieces.append(part.decode("ascii"))
        elif part:
            pieces.append((escape + part).decode(encoding, "replace"))
    return "".join(pieces)


def clean(text: str) -> str:
    """What PostgreSQL and JSON can hold: no NUL, no lone surrogates, no control characters but line ends and tabs."""
    if text.isprintable():
        return text
    kept = "".join(
        "\ufffd" if "\ud800" <= character <= "\udfff" else character
        for character in text
        if character >= " " or character in "\t\n\r"
    )
    return kept.replace("\x7f", "")


def fold(text: str) -> str:
    """A search form: upper case, no accents, full- and half-width alike, name delimiters as single spaces."""
    if text.isascii():
        folded = text.upper()
    else:
        decomposed = unicodedata.normalize("NFKD", text)
        bare = "".join(character for character in decomposed if unicodedata.category(character) != "Mn")
        folded = unicodedata.normalize("NFC", bare.casefold().upper())
    for delimiter in "^=,":
        folded = folded.replace(delimiter, " ")
    return " ".join(folded.split())


def name_parts(name: str) -> dict[str, str]:
    """The component groups of a person name as the DICOM JSON model names them (PS3.18 F.2.2)."""
    labels = ("Alphabetic", "Ideographic", "Phonetic")
    return {label: group for label, group in zip(labels, name.split("="), strict=False) if group.strip("^ ")}
