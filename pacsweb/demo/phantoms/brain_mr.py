"""Brain MR: T1, T2, FLAIR, diffusion and contrast-enhanced T1 of one head in one frame of reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacsweb.demo.phantoms.dicom import (
    MR,
    MR_SCANNER,
    ExplicitVRLittleEndian,
    JPEGLSLossless,
    PulseSequence,
    SeriesPlan,
    VolumeGeometry,
    mr_series,
)
from pacsweb.demo.phantoms.head import TISSUES, HeadBody, HeadSize, head, signal
from pacsweb.demo.phantoms.head_findings import HeadFinding, covers, masks
from pacsweb.demo.phantoms.model import Lesion, PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import Array, blur, smooth_noise
from pacsweb.demo.phantoms.truth import stack_lesion

SIZES = {"full": HeadSize(256, 0.9, 24, 5.2), "small": HeadSize(64, 3.6, 12, 10.4)}
SCALE = 1000.0


@dataclass(frozen=True)
class Weighting:
    """What a sequence shows of each tissue and each part of a lesion (1 = 1000 units)."""

    description: str
    sequence: PulseSequence
    tissues: tuple[float, ...]
    core: dict[str, float]
    rim: float
    oedema: float
    window: tuple[float, float]
    smear: float = 0.0


#                 air  skin  fat  muscle bone marrow csf grey white deep vessel dura vitr mucosa nerve
WEIGHTINGS = {
    "T1": Weighting(
        "t1_tse_tra", PulseSequence("*tse2d1_3", "SE", "SK\\SP", 550, 9.4, flip=150, echo_train=3),
        (0.00, 0.42, 1.00, 0.36, 0.03, 0.70, 0.14, 0.45, 0.60, 0.51, 0.22, 0.34, 0.13, 0.44, 0.50),
        {"metastasis": 0.36, "plaque": 0.40, "infarct": 0.42, "haematoma": 0.55}, 0.42, 0.42, (400, 750),
    ),
    "T2": Weighting(
        "t2_tse_tra", PulseSequence("*tse2d1_15", "SE", "SK\\SP", 5200, 98, flip=150, echo_train=15),
        (0.00, 0.40, 0.66, 0.24, 0.03, 0.42, 1.00, 0.54, 0.36, 0.47, 0.10, 0.16, 1.00, 0.85, 0.38),
        {"metastasis": 0.72, "plaque": 0.82, "infarct": 0.74, "haematoma": 0.30}, 0.58, 0.80, (480, 960),
    ),
    "FLAIR": Weighting(
        "t2_flair_tra", PulseSequence("*tir2d1_16", "SE\\IR", "SK\\SP\\MP", 9000, 86, inversion=2500, flip=150, echo_train=16),
        (0.00, 0.34, 0.66, 0.24, 0.03, 0.40, 0.07, 0.50, 0.38, 0.46, 0.10, 0.24, 0.07, 0.70, 0.38),
        {"metastasis": 0.62, "plaque": 0.95, "infarct": 0.84, "haematoma": 0.34}, 0.62, 0.88, (420, 820),
    ),
    "DWI": Weighting(
        "ep2d_diff_b1000", PulseSequence("*ep_b1000t", "EP", "SK\\SP", 4800, 92, flip=90, echo_train=1),
        (0.00, 0.12, 0.06, 0.13, 0.01, 0.03, 0.09, 0.46, 0.41, 0.43, 0.05, 0.10, 0.09, 0.20, 0.30),
        {"metastasis": 0.42, "plaque": 0.52, "infarct": 1.05, "haematoma": 0.25}, 0.45, 0.40, (430, 860), 0.8,
    ),
    "T1C": Weighting(
        "t1_tse_tra_gd", PulseSequence("*tse2d1_3", "SE", "SK\\SP", 550, 9.4, flip=150, echo_train=3,
                                   contrast="Gadobutrol"),
        (0.00, 0.46, 1.00, 0.40, 0.03, 0.72, 0.14, 0.46, 0.60, 0.51, 0.98, 0.66, 0.13, 0.95, 0.50),
        {"metastasis": 0.38, "plaque": 0.41, "infarct": 0.43, "haematoma": 0.56}, 1.02, 0.43, (430, 820),
    ),
}  # fmt: skip


def _weighted(
    body: HeadBody, findings: tuple[HeadFinding, ...], name: str, size: str, noise: float
) -> tuple[Array, dict[str, list[Array | None]]]:
    shape, weighting = SIZES[size], WEIGHTINGS[name]
    rng = np.random.default_rng(seed_of(body.seed, "mr", name))
    bias = smooth_noise(rng, (shape.matrix, shape.matrix), spacing=(shape.pixel, shape.pixel), scale=45.0)
    found: dict[str, list[Array | None]] = {finding.label: [] for finding in findings}
    table = dict(zip(TISSUES, weighting.tissues, strict=True))
    images = []
    for one in head(body, shape):
        image = signal(one, table)
        for finding in findings:
            part = masks(finding, one)
            found[finding.label].append(None if part is None else covers(part))
            if part is None:
                continue
            image += part.oedema * (weighting.oedema - image)
            core = weighting.core.get(finding.kind, 0.5)
            if name == "T1C" and finding.enhancing and finding.kind == "plaque":
                core = 0.92
            image += part.core * (core - image)
            image += part.rim * (weighting.rim - image)
        if weighting.smear:
            image = blur(image, (weighting.smear / shape.pixel * 1.4, weighting.smear / shape.pixel * 1.4))
        image = image * (1 + 0.05 * bias) * SCALE
        real = image + rng.normal(0, noise, image.shape).astype(np.float32)
        imaginary = rng.normal(0, noise, image.shape).astype(np.float32)
        images.append(np.sqrt(real * real + imaginary * imaginary))
    return np.stack(images), found


def brain_mr(
    visit: Visit | None = None,
    *,
    body: HeadBody | None = None,
    findings: tuple[HeadFinding, ...] = (),
    weightings: tuple[str, ...] = ("T1", "T2", "FLAIR"),
    truth_on: str = "FLAIR",
    size: str = "full",
    noise: float = 11.0,
    compressed: bool = True,
) -> PhantomStudy:
    """Return a brain MR study, one series a weighting; the truth points into the ``truth_on`` series."""
    visit = visit or Visit(key=f"brain-mr-{size}", description="MR brain")
    body = body or HeadBody()
    shape = SIZES[size]
    half = (shape.matrix - 1) / 2 * shape.pixel
    geometry = VolumeGeometry(
        (-half, -half, 60.0 - shape.top), shape.pixel, shape.spacing, round(shape.spacing * 0.8, 2)
    )
    series = []
    lesions: list[Lesion] = []
    for number, name in enumerate(weightings, start=1):
        weighting = WEIGHTINGS[name]
        syntax = JPEGLSLossless if compressed else ExplicitVRLittleEndian
        plan = SeriesPlan(visit, number, "MR", weighting.description, MR, MR_SCANNER, "HEAD", syntax)
        volume, found = _weighted(body, findings, name, size, noise)
        stored = np.clip(np.rint(volume), 0, 4095).astype(np.uint16)
        series.append(mr_series(plan, stored, geometry, sequence=weighting.sequence, window=weighting.window))
        if name == truth_on:
            lesions = [
                stack_lesion(plan, geometry, found[one.label], label=one.label, kind=one.kind) for one in findings
            ]
    return PhantomStudy(visit, tuple(series), tuple(lesions))
