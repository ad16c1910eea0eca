"""Terms of code strings that the standard defines (PS3.3), beside the words of the lexicon."""

from __future__ import annotations

from typing import Final

from deid.domain.profile import load_terms
from deid.domain.words import words

#: Terms that are surnames too (DO, CAST) are known for their attribute only.
OF: Final[dict[str, frozenset[str]]] = {
    "SUVType": words("BW BSA IBW LBM LBMJAMES128 LBMJANMA"),
    "SelectorAttributeVR": words(
        "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
    ),
    "FixationDeviceType": words("CAST"),
    "VolumeLocalizationTechnique": words("SLOOP"),
    "MaskOperation": words("NONE AVG_SUB TID REV_TID"),
    "PresentationSizeMode": frozenset(("SCALE TO FIT", "TRUE SIZE", "MAGNIFY")),
}


def is_defined(*, keyword: str, value: str) -> bool:
    """Whether a value is a term that the standard defines for the attribute, or one of three letters and more for any."""
    term = value.strip(" \0").upper()
    return term in OF.get(keyword, ()) or term in load_terms()
