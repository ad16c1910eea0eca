#!/usr/bin/env python3
"""Django's command line for PACSWeb."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacsweb.settings.development")
    from django.core.management import execute_from_command_line

    from pacsweb.env import SettingError

    try:
        execute_from_command_line(sys.argv)
    except SettingError as error:
        sys.exit(f"pacsweb: {error}")


if __name__ == "__main__":
    main()
