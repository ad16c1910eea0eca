"""Text of a data set: decoded by its character sets, cleaned for the database, folded for search."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Sequence

from pydicom.charset import convert_encodings, decode_bytes

ESCAPE = b"\x1b"
# PS3.5 6.1.2.5.3: control characters that end the effect of an escape sequence.
PN_DELIMITERS = {0x5E, 0x3D}
TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}
ALIASES = {
    "GB2312": "ISO 2022 IR 58",
    "GB_18030": "GB18030",
    "GB 18030": "GB18030",
    "UTF-8": "ISO_IR 192",
    "UTF8": "ISO_IR 192",
    "ISO IR 192": "ISO_IR 192",
    "ISO-IR 192": "ISO_IR 192",
    "ISO_IR_192": "ISO_IR 192",
    "ISO 8859-1": "ISO_IR 100",
    "ISO-8859-1": "ISO_IR 100",
    "LATIN1": "ISO_IR 100",
}


def encodings_of(raw: bytes | None) -> list[str]:
    """Python encodings of a Specific Character Set value (0008,0005); unknown terms fall back to the default."""
    if not raw:
        return []
    terms = [term.strip(" \0") for term in raw.decode("ascii", "replace").split("\\")]
    terms = [ALIASES.get(term.upper(), term) for term in terms]
    if terms == ["ISO 2022 IR 58"]:
        # Written by devices that mean plain GB 2312: no escape sequences follow.
        return ["gb18030"]
    if not any(terms):
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return list(convert_encodings(terms))
        except (LookupError, ValueError):
            return []


def decode(raw: bytes, encodings: Sequence[str], *, is_name: bool = False) -> str:
    """Text of a raw value. Bytes that the stated character set cannot hold are read as UTF-8, then as Latin-1."""
    if raw.isascii() and ESCAPE not in raw:
        return clean(raw.decode("ascii"))
    if not encodings or encodings == ["iso8859"]:
        # Nothing, or only the default repertoire, is stated, yet there is more: most often UTF-8 or Latin-1.
        try:
            return clean(raw.decode("utf-8"))
        except UnicodeDecodeError:
            if not encodings:
                return clean(raw.decode("iso8859"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = decode_bytes(raw, list(encodings), set(PN_DELIMITERS if is_name else TEXT_DELIMITERS))
        except (LookupError, UnicodeError, ValueError):
            text = raw.decode("iso8859")
    return clean(text)


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
