"""What tests of sealing share: programs that kill themselves over it, and trails from before there were heads."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection

from audit import heads
from audit.models import ChainLink
from core.tenancy import all_tenants
from tests import superuser


class Dies(BaseException):
    pass


def no_links(*_arguments: Any, **_options: Any) -> None:
    raise Dies


def kill(program: str, *, heads_file: Path) -> None:
    """Run a program, on the database of this test, that kills itself."""
    values = connection.settings_dict
    url = f"postgresql://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | {"DATABASE_URL": url, "PACSWEB_DATA": str(heads_file.parents[1])},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def all_hold() -> None:
    told = io.StringIO()
    call_command("verify_audit", stdout=told)
    assert "BROKEN" not in told.getvalue()


def as_of_old() -> None:
    """The events and links of this test as an older release would have written them."""
    heads.marker().unlink(missing_ok=True)
    from audit.domain import chain
    from audit.models import Event, as_sealed

    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute("UPDATE audit_event SET stamp = NULL, recorded_at = NULL, studies = '{}', place = ''")
    with all_tenants():
        links = list(ChainLink.objects.order_by("organisation_id", "sequence"))
        events = {one.pk: one for one in Event.objects.all()}
    last: dict[Any, bytes] = {}
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        for link in links:
            previous = last.get(link.organisation_id, chain.GENESIS)
            digest = chain.link_digest(previous=previous, event=as_sealed(events[link.event_id], form=1))
            master.execute(
                "UPDATE audit_chainlink SET form = 1, previous = %s, digest = %s WHERE id = %s",
                [previous, digest, link.pk],
            )
            last[link.organisation_id] = digest
