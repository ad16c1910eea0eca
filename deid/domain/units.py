"""Units of UCUM as PS3.16 writes them, so that a code such as "{SUVbw}g/ml" is known from free text."""

from __future__ import annotations

import re
from typing import Final

from deid.domain import lexicon
from deid.domain.identifiers import fold
from deid.domain.words import ordered, words

_PREFIXES: Final = ordered("Y Z E P T G M k h da d c m u n p f a z y")
_METRIC: Final = words(
    """
    m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar eq osm kat U [iU] [IU] t u eV pc bar
    G cal B Np dyn erg Ci R RAD REM Bi b st gf lmb ph Lmb Mx sb bit By Bd [hnsf'U] m[H2O] m[Hg] tex
    """
)
_PLAIN: Final = words(
    """
    min h d wk mo a a_j a_t a_g mo_j deg ' '' " % [ppth] [ppm] [ppb] [pptr] [pH] [pi] 10* 10^ [in_i] [ft_i] [yd_i]
    [mi_i] [lb_av] [oz_av] [degF] [diop] [HU] [hnsf] [H] [arb'U] [HPF] [LPF] [drp] [car_m] [Amb'a'1'U] atm [mesh_i] [p'diop]
    mm[Hg] [hd_i] [smoot] B[W] B[V] [fr] [Ch] [MET] [CFU] [PFU] [dr_ap] [sc_ap] gon circ sph hd
    """
)
_ANNOTATIONS: Final = words(
    """
    suvbw suvlbm suvbsa suvibw suv counts count cnts bpm beats breaths ratio score no units hounsfield pixels pixel
    propcounts procs index events frames slices images of voxel voxels dots dpi rbc cells mitoses fraction px
    """
)
_ANNOTATION: Final = re.compile(r"\{([^{}]*)\}")
_ATOM: Final = re.compile(r"(?P<unit>.*?[^0-9+-]|10[*^])?(?P<power>[+-]?\d{1,2})?")
_FACTOR: Final = re.compile(r"^\d{1,3}(?=[A-Za-z])")
LONGEST: Final = 32


def is_unit(code: str) -> bool:
    """Whether a code is an expression of units: atoms with prefixes and exponents, joined by "." and "/"."""
    if not code or len(code) > LONGEST:
        return False
    bare = code
    for annotation in _ANNOTATION.findall(code):
        if not all(_is_annotation(word) for word in re.split(r"[\s_-]+", annotation) if word):
            return False
    bare = _ANNOTATION.sub("", code)
    if not bare:
        return True
    if bare.count("(") != bare.count(")"):
        return False
    return all(_is_atom(atom) for atom in re.split(r"[./()]", bare) if atom)


def _is_annotation(word: str) -> bool:
    folded = fold(word)
    return folded in _ANNOTATIONS or folded in lexicon.technical_words()


def _is_atom(atom: str) -> bool:
    if atom.isdecimal():
        return len(atom) <= 3
    # "ml/100ml": a factor is written together with its unit by many.
    match = _ATOM.fullmatch(_FACTOR.sub("", atom))
    unit = (match["unit"] or "") if match else ""
    if unit in _METRIC or unit in _PLAIN:
        return True
    return any(unit.startswith(prefix) and unit[len(prefix) :] in _METRIC for prefix in _PREFIXES)
