"""The processes of one machine, in the order they start; they stop in the reverse order."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pacsweb.env import ROOT, Environment
from pacsweb.launcher.child import Plan
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.postgres import NEUTRAL_ENVIRONMENT, Postgres
from pacsweb.launcher.processes import TREE_VARIABLE
from pacsweb.launcher.requeue import give_back
from pacsweb.launcher.valkey import Valkey

QUEUES = ("ingest", "default", "heavy")


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Where the tree listens."""

    bind: str
    http: int
    dicom: int
    dicom_tls: int | None

    @property
    def reachable_host(self) -> str:
        """The address by which this machine reaches its own doors."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)  # noqa: S104

    @property
    def address(self) -> str:
        host = f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host
        return f"http://{host}:{self.http}"


def doors_from(*, env: Environment) -> Doors:
    return Doors(
        bind=env.get("PACSWEB_BIND"),
        http=env.get("PACSWEB_HTTP_PORT"),
        dicom=env.get("PACSWEB_DICOM_PORT"),
        dicom_tls=env.get("PACSWEB_DICOM_TLS_PORT") if env.given("PACSWEB_DICOM_TLS_CERTIFICATE") else None,
    )


def child_environment(*, folders: Folders, database_url: str, redis_url: str, tree: str) -> dict[str, str]:
    """What every child sees: the caller's environment, the addresses, and no folder but the data folder to write in."""
    return {
        **os.environ,
        "PACSWEB_DATA": str(folders.data),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "pacsweb.settings.development"),
        "PYTHONUNBUFFERED": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(folders.metrics),
        "TMPDIR": str(folders.temporary),
        TREE_VARIABLE: tree,
    }


def postgres_plan(*, postgres: Postgres, tree: str) -> Plan:
    return Plan(
        name="postgres",
        title="PostgreSQL",
        command=postgres.command,
        environment={**NEUTRAL_ENVIRONMENT, TREE_VARIABLE: tree},
        cwd=Path("/"),
        run_as=postgres.run_as,
        keep=postgres.keep,
        before=postgres.programs.prepare,
        stop_signal=signal.SIGINT,
        death_signal=signal.SIGINT,
        patience_seconds=60,
        port=str(postgres.port),
    )


def valkey_plan(*, valkey: Valkey, tree: str) -> Plan:
    return Plan(
        name="valkey",
        title="Valkey",
        command=valkey.command,
        environment={**NEUTRAL_ENVIRONMENT, TREE_VARIABLE: tree},
        cwd=valkey.folder,
        before=valkey.prepare,
        patience_seconds=30,
        port=str(valkey.port),
    )


def service_plans(*, env: Environment, doors: Doors, environment: Mapping[str, str], folders: Folders) -> list[Plan]:
    """Listener, workers, beat and web, once database and broker answer."""
    plans = []
    if importlib.util.find_spec("dimse") is not None and (ROOT / "dimse/management/commands/run_dimse.py").exists():
        plans.append(_dicom_plan(doors=doors, environment=environment))
    plans += [_worker_plan(queue=queue, env=env, environment=environment) for queue in QUEUES]
    plans.append(_beat_plan(environment=environment, folders=folders))
    plans.append(_web_plan(env=env, doors=doors, environment=environment))
    return plans


def _dicom_plan(*, doors: Doors, environment: Mapping[str, str]) -> Plan:
    ports = [str(doors.dicom), *([str(doors.dicom_tls)] if doors.dicom_tls else [])]
    return Plan(
        name="dicom",
        title="DICOM listener",
        command=lambda: [sys.executable, str(ROOT / "manage.py"), "run_dimse"],
        environment=environment,
        cwd=ROOT,
        patience_seconds=20,
        port=", ".join(ports),
    )


def _worker_plan(*, queue: str, env: Environment, environment: Mapping[str, str]) -> Plan:
    processes = env.get(f"PACSWEB_{queue.upper()}_WORKERS")
    redis_url = environment["REDIS_URL"]
    return Plan(
        name=f"worker-{queue}",
        title=f"Worker “{queue}”",
        command=lambda: [
            sys.executable, "-m", "celery", "--app", "pacsweb.celery", "--quiet", "--skip-checks", "worker", "--queues", queue,
            "--hostname", f"{queue}@%h", "--concurrency", str(processes), "--without-gossip", "--without-mingle",
        ],
        environment=environment,
        cwd=ROOT,
        before=lambda: _give_back(url=redis_url, queue=queue),
        # With its parent gone nobody restarts it; the tasks go back to the queue when the next tree starts.
        death_signal=signal.SIGKILL,
        patience_seconds=25,
    )  # fmt: skip


def _give_back(*, url: str, queue: str) -> None:
    give_back(url=url, queues={queue})


def _beat_plan(*, environment: Mapping[str, str], folders: Folders) -> Plan:
    return Plan(
        name="beat",
        title="Beat (schedule)",
        command=lambda: [
            sys.executable, "-m", "celery", "--app", "pacsweb.celery", "--quiet", "--skip-checks", "beat",
            "--schedule", str(folders.run / "beat-schedule"), "--pidfile", "",
        ],
        environment=environment,
        cwd=ROOT,
    )  # fmt: skip


def _web_plan(*, env: Environment, doors: Doors, environment: Mapping[str, str]) -> Plan:
    return Plan(
        name="web",
        title="Web server",
        command=lambda: [
            sys.executable, "-m", "granian", "--interface", "asginl", "--host", doors.bind, "--port", str(doors.http),
            "--workers", str(env.get("PACSWEB_WEB_WORKERS")), "--no-ws", "--respawn-failed-workers",
            "--workers-kill-timeout", "10", "--log-level", "warning", "pacsweb.asgi:application",
        ],
        environment=environment,
        cwd=ROOT,
        patience_seconds=20,
        port=str(doors.http),
    )  # fmt: skip
