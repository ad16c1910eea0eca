"""The roof of PACSWeb: settings, addresses, the worker application and the launcher."""

from __future__ import annotations

__version__ = "0.1.0"
