"""Words that say yes or no, left or right, before or after: a phrase with one says something else without its other words."""

from __future__ import annotations

import re
from typing import Final

from deid.domain.words import words

_NEGATIONS: Final = words(
    """
    no non not none never nor neither nil null without w/o wo w/wo wo/w wwo w/ with minus plus off only except excluding excl
    exclude excluded refused declined denied denies cancelled canceled aborted failed stopped incomplete limited absent
    negative positive pos neg wrong unable cannot n/a r/o
    nicht nichts kein keine keinen keiner keines ohne mit nein negativ positiv verweigert abgelehnt abgebrochen ausser
    sans pas non aucun aucune avec refuse sauf ni
    ninguno ninguna ningun con senza nessun nessuna nenhum nenhuma com
    zonder geen niet bez brak nelze uden ikke ingen utan inte ilman ei uten
    не нет без с
    """
)
_TIMES: Final = words(
    """
    s/p status post pre before after during ex former formerly prior previous h/o history preop postop pre-op post-op
    intraop zustand nach vor bei z.n vs versus repeat comparison
    apres avant ancien despues antes tras dopo depois
    """
)
_SIDES: Final = words(
    """
    left right l r lt rt lft rgt bi b/l bilateral bilat both side sides sided ipsilateral contralateral unilateral
    links rechts linker linkes linken rechte rechter rechtes rechten beide beider beidseits bds bds.
    gauche droite droit gauches droits izquierdo izquierda derecho derecha ambos ambas bilaterale
    sinistra sinistro destra destro esquerdo esquerda direito direita
    lewa lewe prawa prawe vlevo vpravo
    """
)
_FINDINGS: Final = words(
    """
    contrast enhanced enhancement enhancing unenhanced noncontrast precontrast postcontrast gadolinium native ce acute chronic
    lesion lesions nodule nodules mass metal trauma biopsy effusion diagnosis diagnostic normal abnormal fissure artifact
    artefact reduced
    """
)
#: Such a word stays where its phrase does.
WORDS: Final = _NEGATIONS | _TIMES | _SIDES | _FINDINGS
#: Short words of this kind that are surnames too: they never stay, and nothing of their phrase does.
_ALSO_NAMES: Final = words("li re ne nie nao sin sine sem inga levy linke lewy prawy prima le ri")

_CONTRAST: Final = r"(?:c|km|kc|kn|gd|gad|contrast|ce|iv)(?![^\W_])"
#: "+C", "C+", "+/- contrast", "T1-C": with or without it.
_SIGN: Final = re.compile(
    rf"(?<![^\s(\[/])(?:\+/-|[+±−-])(?=[^\W\d_])|(?<=[^\W\d_])(?:\+/-|[+±−-])(?=[\s)\]/]|$)|(?:\+/-|[+±−-])\s?{_CONTRAST}",
    re.IGNORECASE,
)
#: Words written with a slash, each one word. "w" is "with" before what is given, else it is anything.
WRITTEN: Final = re.compile(
    r"(?<![^\W_])(?:(?:w/wo|wo/w|w/o|s/p|r/o|h/o|n/a|b/l|c/a/p|pre-op|post-op)(?![^\W_])|w/"
    r"|w(?=\s+(?:contrast|con|iv|gad|gadolinium|and|wo|w/o|c|km|oral)(?![^\W_])))",
    re.IGNORECASE,
)
_AGENTS: Final = words("c km kc kn gd gad con cont iv agent dye kontrastmittel kontrast contraste w")


def is_signed(phrase: str) -> bool:
    """Whether a plus or minus says that something is given or not."""
    return _SIGN.search(phrase) is not None


def is_claim(*, phrase: str, folded: list[str]) -> bool:
    """Whether a phrase with these words says something that fewer of them do not."""
    return is_signed(phrase) or any(word in WORDS or word in _ALSO_NAMES or word in _AGENTS for word in folded)


def is_agent(word: str) -> bool:
    """Whether a word stands for the contrast agent beside one that says whether it was given: "w/o C"."""
    return word in _AGENTS
