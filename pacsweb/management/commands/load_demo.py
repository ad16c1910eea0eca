"""`manage.py load_demo`: the demonstration content, through the services people use; repeating it adds what is missing."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from pacsweb.demo.loader import load


class Command(BaseCommand):
    help = "Load the demonstration content. Repeating it changes nothing that is there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--size",
            choices=("full", "small"),
            default="full",
            help="small: coarse images, for tests and tight machines",
        )
        parser.add_argument(
            "--processes", type=int, default=2, help="processes that draw phantoms; 0 draws in this one"
        )

    def handle(self, *_arguments: Any, **options: Any) -> None:
        if options["processes"] < 0:
            raise CommandError("The number of processes cannot be negative.")
        began = time.monotonic()

        def say(text: str) -> None:
            self.stdout.write(text)
            self.stdout.flush()

        load(say=say, size=options["size"], processes=options["processes"])
        say(f"demonstration content is there ({time.monotonic() - began:.0f} s)")
