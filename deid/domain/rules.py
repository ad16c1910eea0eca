"""By which rule an element was treated, as receipts and the before/after page say it."""

from __future__ import annotations

from typing import Final

RULE_TABLE: Final = "PS3.15 Table E.1-1"
RULE_SAFE_PRIVATE: Final = "PS3.15 Table E.3.10-1"
RULE_NOT_IN_DICTIONARY: Final = "Not in the data dictionary"
RULE_UNREADABLE: Final = "Value cannot be read"
RULE_IDENTIFIER: Final = "Identifier of the patient in a value that is kept otherwise"
RULE_UNLISTED: Final = "Not in Table E.1-1; by its VR"
RULE_CODE: Final = "Code sequence: free text beside the code"
RULE_NESTED_PIXELS: Final = "Image inside a sequence"
RULE_FILE: Final = "Part of the file, not of the data set"
RULE_ADDED: Final = "PS3.15 E.1.1: states how it was de-identified"
RULE_KEPT: Final = "Not in Table E.1-1"
RULE_VR: Final = "Value representation is not that of the attribute (PS3.6)"
RULE_BINARY: Final = "Binary values that cannot be checked"
