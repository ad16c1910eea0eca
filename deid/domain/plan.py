"""What decides how a data set is de-identified."""

from __future__ import annotations

from dataclasses import dataclass, field

from deid.domain.identifiers import Identifiers
from deid.domain.profile import AttributeTypes, Profile, load_attribute_types
from deid.domain.pseudonyms import Subject
from deid.domain.uids import UidMapper


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the outcome: the same plan and the same input give the same output."""

    profile: Profile
    subject: Subject
    uids: UidMapper
    identifiers: Identifiers
    types: AttributeTypes = field(default_factory=load_attribute_types)
