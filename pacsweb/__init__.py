"""The roof of PACSWeb: settings, addresses, the worker application and the launcher."""

from __future__ import annotations

import gc

# Every process loads a few thousand modules and then makes many short-lived objects a request. Looking for cycles as
# often as Python does by itself (each 700 objects) takes a fifth of a start and a tenth of a page.
gc.set_threshold(20_000, 20, 20)

__version__ = "0.1.0"
