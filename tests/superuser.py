"""The database's superuser, for what the application's role may not do: tests play the attacker with it, and empty what
only ever grows."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from django.db import connection

VARIABLE = "TEST_SUPERUSER_URL"


def url() -> str:
    return f"{os.environ[VARIABLE]}/{connection.settings_dict['NAME']}"


def connect() -> psycopg.Connection[Any]:
    """A connection of its own to the database of this test process, in autocommit."""
    return psycopg.connect(url(), autocommit=True, connect_timeout=10)
