"""`python -m pacsweb`."""

from __future__ import annotations

import sys

from pacsweb.launcher.cli import main

sys.exit(main())
