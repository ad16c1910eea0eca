"""What we answer to proposed presentation contexts: which SOP classes are stored, in which transfer syntaxes.

Storage is unrestricted: every storage SOP class of the standard, also those younger than this program, and every
private one. Services of the standard that nobody registered are refused as not supported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydicom._uid_dict import UID_dictionary

from dimse.domain.pdu import AnsweredContext, ContextResult, ProposedContext

VERIFICATION: Final = "1.2.840.10008.1.1"
STANDARD_ROOT: Final = "1.2.840.10008."
STORAGE_ROOT: Final = "1.2.840.10008.5.1.4.1.1."
RT_BEAMS_STORAGE: Final = "1.2.840.10008.5.1.4.34.7"
# Under the storage root, but no instances of a patient's study: Storage Management (inventories) and its services.
NOT_STORED_ROOT: Final = "1.2.840.10008.5.1.4.1.1.201."

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED: Final = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)

_JPEG: Final = "1.2.840.10008.1.2.4."
LOSSLESS: Final = frozenset(
    {f"{_JPEG}{n}" for n in (57, 58, 65, 66, 70, 80, 90, 92, 110, 201, 202)}
    | {"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.1.98"}
)
# JPIP and real-time video keep the pixels elsewhere: what is acknowledged would not be here. MIME, XML and Papyrus are
# no data sets of PS3.5.
REFUSED: Final = frozenset(
    {f"{_JPEG}{n}" for n in (94, 95, 204, 205)}
    | {f"1.2.840.10008.1.2.7.{n}" for n in (1, 2, 3)}
    | {"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20"}
)
# JPEG XL, of 2024 (PS3.5 A.4.11): not in every release of the dictionary.
JPEG_XL: Final = frozenset(f"{_JPEG}{n}" for n in (110, 111, 112))
KNOWN: Final = (
    frozenset(uid for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax") | JPEG_XL
) - REFUSED


@dataclass(frozen=True, slots=True)
class Offer:
    """A registered service: the transfer syntaxes of its identifiers, best first."""

    transfer_syntaxes: tuple[str, ...]


@lru_cache(maxsize=4096)
def is_storage_class(abstract_syntax: str) -> bool:
    """Whether instances of the SOP class are stored: the standard's storage classes and all private ones."""
    if not abstract_syntax.startswith(STANDARD_ROOT):
        return True
    if abstract_syntax == RT_BEAMS_STORAGE:
        return True
    return abstract_syntax.startswith(STORAGE_ROOT) and not abstract_syntax.startswith(NOT_STORED_ROOT)


@lru_cache(maxsize=4096)
def rank(transfer_syntax: str) -> int | None:
    """How much we like a transfer syntax, 0 best; None: refused.

    Compressed without loss saves room and loses nothing. Lossy comes after uncompressed: a sender that could choose
    must not be led to compress with loss, and one that has lossy originals offers them alone or decompresses.
    """
    if transfer_syntax in REFUSED:
        return None
    if transfer_syntax in LOSSLESS:
        return 0
    if transfer_syntax == EXPLICIT_VR_LITTLE_ENDIAN:
        return 1
    if transfer_syntax in (DEFLATED, IMPLICIT_VR_LITTLE_ENDIAN):
        return 2
    if transfer_syntax == EXPLICIT_VR_BIG_ENDIAN:
        return 3
    if transfer_syntax in KNOWN:
        return 4
    # A private transfer syntax is stored untouched; an unknown one of the standard may keep its pixels elsewhere.
    return None if transfer_syntax.startswith(STANDARD_ROOT) else 5


def choose_for_storage(proposed: Sequence[str]) -> str | None:
    """The proposed transfer syntax we like best, the sender's order breaking ties."""
    ranked = [(found, index) for index, syntax in enumerate(proposed) if (found := rank(syntax)) is not None]
    return proposed[min(ranked)[1]] if ranked else None


def answer(*, proposed: Sequence[ProposedContext], offers: Mapping[str, Offer]) -> list[AnsweredContext]:
    """Answer each context in the order proposed (PS3.8 9.3.3.2)."""
    return [_answer_one(context, offers) for context in proposed]


def _answer_one(context: ProposedContext, offers: Mapping[str, Offer]) -> AnsweredContext:
    offer = offers.get(context.abstract_syntax)
    if offer is not None:
        chosen = next((syntax for syntax in offer.transfer_syntaxes if syntax in context.transfer_syntaxes), None)
    elif is_storage_class(context.abstract_syntax):
        chosen = choose_for_storage(context.transfer_syntaxes)
    else:
        return AnsweredContext(
            context.context_id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, context.transfer_syntaxes[0]
        )
    if chosen is None:
        return AnsweredContext(
            context.context_id, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, context.transfer_syntaxes[0]
        )
    return AnsweredContext(context.context_id, ContextResult.ACCEPTED, chosen)
