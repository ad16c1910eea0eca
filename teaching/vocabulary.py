"""The closed lists a case is filed under, with the codes of IHE TCE where it has them (IHERADTF and DCM)."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

Choices = tuple[tuple[str, Any], ...]

CATEGORIES: Final[Choices] = (
    ("neuro", _("Neuroradiology")),
    ("pulmonary", _("Chest and pulmonary")),
    ("cardiovascular", _("Cardiovascular")),
    ("gastrointestinal", _("Gastrointestinal")),
    ("genitourinary", _("Genitourinary")),
    ("musculoskeletal", _("Musculoskeletal")),
    ("breast", _("Breast")),
    ("paediatric", _("Paediatric")),
    ("ultrasound", _("Ultrasound")),
    ("nuclear", _("Nuclear medicine")),
    ("interventional", _("Vascular and interventional")),
    ("emergency", _("Emergency")),
)

ORGAN_SYSTEMS: Final[Choices] = (
    ("nervous", _("Nervous system")),
    ("head-neck", _("Head and neck")),
    ("respiratory", _("Respiratory system")),
    ("cardiovascular", _("Heart and vessels")),
    ("breast", _("Breast")),
    ("digestive", _("Digestive tract")),
    ("hepatobiliary", _("Liver, bile ducts, pancreas")),
    ("urinary", _("Urinary tract")),
    ("reproductive", _("Reproductive organs")),
    ("obstetric", _("Obstetrics")),
    ("musculoskeletal", _("Bones, joints, soft tissue")),
    ("endocrine", _("Endocrine glands")),
    ("blood", _("Blood and lymph")),
    ("skin", _("Skin")),
)

LEVELS: Final[Choices] = (
    ("primary", _("Primary")),
    ("intermediate", _("Intermediate")),
    ("advanced", _("Advanced")),
)

CERTAINTIES: Final[Choices] = (
    ("possible", _("Possible")),
    ("probable", _("Probable")),
    ("almost_certain", _("Almost certain")),
    ("certain", _("Certain")),
    ("pathology", _("Proven by pathology")),
    ("known", _("Known by construction (phantom)")),
)

AGE_BANDS: Final[Choices] = (
    ("newborn", _("Newborn")),
    ("infant", _("Infant")),
    ("1-5", _("1–5 years")),
    ("6-12", _("6–12 years")),
    ("13-17", _("13–17 years")),
    ("18-29", _("18–29 years")),
    ("30-39", _("30–39 years")),
    ("40-49", _("40–49 years")),
    ("50-59", _("50–59 years")),
    ("60-69", _("60–69 years")),
    ("70-79", _("70–79 years")),
    ("80-89", _("80–89 years")),
    ("90+", _("90 years and older")),
)

SEXES: Final[Choices] = (
    ("female", _("Female")),
    ("male", _("Male")),
    ("other", _("Other")),
)

LICENCES: Final[Choices] = (
    ("CC-BY-4.0", _("Creative Commons Attribution 4.0")),
    ("CC-BY-SA-4.0", _("Creative Commons Attribution-ShareAlike 4.0")),
    ("CC-BY-NC-4.0", _("Creative Commons Attribution-NonCommercial 4.0")),
    ("CC0-1.0", _("Public domain (CC0)")),
    ("internal", _("For this organisation only")),
)

CODE_SYSTEMS: Final[Choices] = (
    ("RADLEX", "RadLex"),
    ("SCT", "SNOMED CT"),
    ("I10", "ICD-10"),
    ("LN", "LOINC"),
    ("LOCAL", _("Own curriculum")),
)

CODE_ROLES: Final[Choices] = (
    ("diagnosis", _("Diagnosis")),
    ("finding", _("Finding")),
    ("anatomy", _("Anatomy")),
    ("topic", _("Topic of the curriculum")),
)
