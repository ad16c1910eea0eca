"""Who reads the trail: compliance officers of the organisation, nobody else. The right is `access.view_audit`."""

from __future__ import annotations

VIEW_AUDIT = "access.view_audit"
