from __future__ import annotations

from typing import Any

from django.core.management.commands.migrate import Command as DjangoCommand


class Command(DjangoCommand):
    """Django's, which also repairs the wall between organisations at its end and so must not refuse to begin with a
    broken one."""

    def check(self, *arguments: Any, **options: Any) -> None:
        super().check(*arguments, **{**options, "databases": []})
