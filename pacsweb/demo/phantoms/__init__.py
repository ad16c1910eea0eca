"""Phantoms with known truth: images written by us, deterministic, valid, and believable at a diagnostic window.

Each maker returns a :class:`PhantomStudy`: encoded DICOM files and the lesions that were built in. ``size="small"``
gives the same object on a coarse grid for tests::

    from pacsweb.demo.phantoms import Nodule, chest_ct

    study = chest_ct(size="small", findings=(Nodule("nodule", (-78.0, 10.0, 84.0), 30.0),))
    for name, content in study.files():
        ...
    study.lesions[0].centre_px, study.lesions[0].sop_instance_uid
"""

from __future__ import annotations

from pacsweb.demo.phantoms.abdomen_ct import APPENDIX, AbdomenBody, AbdomenFinding, abdomen_ct
from pacsweb.demo.phantoms.brain_mr import brain_mr
from pacsweb.demo.phantoms.chest_ct import Body, Embolus, Nodule, chest_ct
from pacsweb.demo.phantoms.chest_xray import ChestFilm, FilmFinding, chest_xray
from pacsweb.demo.phantoms.head import HeadBody
from pacsweb.demo.phantoms.head_ct import head_ct
from pacsweb.demo.phantoms.head_findings import HeadFinding
from pacsweb.demo.phantoms.mammography import Breast, BreastFinding, mammography
from pacsweb.demo.phantoms.model import (
    PHANTOM,
    Lesion,
    Person,
    PhantomInstance,
    PhantomSeries,
    PhantomStudy,
    Visit,
    uid,
)
from pacsweb.demo.phantoms.msk_xray import Fracture, Limb, msk_xray
from pacsweb.demo.phantoms.ruler import BEADS, INSERTS, ruler
from pacsweb.demo.phantoms.ultrasound import Scene, ultrasound

__all__ = [
    "APPENDIX",
    "BEADS",
    "INSERTS",
    "PHANTOM",
    "AbdomenBody",
    "AbdomenFinding",
    "Body",
    "Breast",
    "BreastFinding",
    "ChestFilm",
    "Embolus",
    "FilmFinding",
    "Fracture",
    "HeadBody",
    "HeadFinding",
    "Lesion",
    "Limb",
    "Nodule",
    "Person",
    "PhantomInstance",
    "PhantomSeries",
    "PhantomStudy",
    "Scene",
    "Visit",
    "abdomen_ct",
    "brain_mr",
    "chest_ct",
    "chest_xray",
    "head_ct",
    "mammography",
    "msk_xray",
    "ruler",
    "uid",
    "ultrasound",
]
