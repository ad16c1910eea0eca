"""Data sets and plans for tests of the domain layer."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable
from typing import Any

import pydicom
from pydicom.dataset import Dataset

from deid.domain import engine, identifiers, pipeline
from deid.domain.changes import Record
from deid.domain.findings import Reason
from deid.domain.plan import Plan
from deid.domain.profile import DEFAULT_OPTIONS, Option, Profile, load_table
from deid.domain.pseudonyms import Subject, subject
from deid.domain.uids import UidMapper
from tests.archive.factories import make_dataset, to_bytes

KEY = bytes(range(32))


def make_plan(
    *, options: Iterable[Option] = DEFAULT_OPTIONS, dataset: Dataset | None = None, who: Subject | None = None
) -> Plan:
    return Plan(
        profile=Profile(table=load_table(), options=options),
        subject=who or subject(key=KEY, patient_key="somebody"),
        uids=UidMapper(key=KEY),
        identifiers=_sought(dataset, options=options) if dataset is not None else identifiers.Identifiers(),
    )


def _sought(dataset: Dataset, *, options: Iterable[Option]) -> identifiers.Identifiers:
    return pipeline.sought_identifiers(dataset, settings=make_settings(options=options))


def make_settings(*, options: Iterable[Option] = DEFAULT_OPTIONS, who: Subject | None = None) -> pipeline.Settings:
    return pipeline.Settings(
        profile=Profile(table=load_table(), options=options),
        subject=who or subject(key=KEY, patient_key="somebody"),
        uids=UidMapper(key=KEY),
    )


def clean(
    dataset: Dataset, *, options: Iterable[Option] = DEFAULT_OPTIONS, known: Dataset | None = None, **more: Any
) -> Record:
    """De-identify in place. `known` is a data set to take the patient from, if it is not the same."""
    return engine.deidentify(dataset, plan=make_plan(options=options, dataset=known or dataset), **more)


def process(
    content: bytes | Dataset,
    *,
    options: Iterable[Option] = DEFAULT_OPTIONS,
    released: frozenset[Reason] = frozenset(),
    **more: Any,
) -> tuple[pipeline.Outcome, bytes]:
    """Through the whole pipeline, file to file."""
    target = io.BytesIO()
    source = io.BytesIO(to_bytes(content) if isinstance(content, Dataset) else content)
    settings = make_settings(options=options, **more)
    outcome = pipeline.process(source=source, target=target, settings=settings, released=released)
    return outcome, target.getvalue()


def read(content: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(io.BytesIO(content))


__all__ = ["KEY", "clean", "make_dataset", "make_plan", "make_settings", "process", "read", "to_bytes"]


def stored_values(dataset: Dataset, *, bits: int = 0) -> list[int]:
    """The pixels of an image of 16 bits allocated: what is in Bits Stored of each, or in the lowest `bits`."""
    mask = (1 << (bits or int(dataset.BitsStored))) - 1
    return [value & mask for (value,) in struct.iter_unpack("<H", dataset.PixelData)]
