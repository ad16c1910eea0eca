from __future__ import annotations

import signal
import socket
import ssl
import sys
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from core.wall import WallDown, require_walls
from dimse.limits import limits
from dimse.listener import Listener, Load, Supervisor, listen, tls_context

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Run the DICOM listener: one port for all archives, told apart by their AE titles."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--processes", type=int, default=settings.DICOM_PROCESSES, help="listener processes")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        processes: int = options["processes"]
        if processes < 1:
            raise CommandError("There must be at least one listener process.")
        try:
            require_walls(connections["default"])
        except WallDown as error:
            raise CommandError(str(error)) from None
        tls = tls_context()
        plain = _open(port=settings.DICOM_PORT)
        secure = _open(port=settings.DICOM_TLS_PORT) if tls is not None else None
        load = Load(processes=processes)
        # A connection that was open here would be shared by all children after the fork.
        connections.close_all()
        logger.info("dimse_listening", port=settings.DICOM_PORT, processes=processes, tls=tls is not None)
        supervisor = Supervisor(
            processes=processes,
            serve=lambda slot: _serve(plain=plain, secure=secure, tls=tls, load=load, slot=slot),
            close_ports=lambda: _close(plain, secure),
            patience=limits().drain_seconds + 10,
        )
        status = supervisor.run()
        logger.info("dimse_stopped", status=status)
        sys.exit(status)


def _open(*, port: int) -> socket.socket:
    try:
        return listen(address=settings.BIND, port=port)
    except OSError as error:
        raise CommandError(f"Port {port} on {settings.BIND} cannot be opened: {error.strerror}.") from error


def _close(*ports: socket.socket | None) -> None:
    for port in ports:
        if port is not None:
            port.close()


def _serve(
    *, plain: socket.socket, secure: socket.socket | None, tls: ssl.SSLContext | None, load: Load, slot: int
) -> None:
    listener = Listener(plain=plain, secure=secure, tls=tls, limits=limits(), load=load, slot=slot)
    signal.signal(signal.SIGTERM, lambda *_unused: listener.stop())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    load.set(slot, 0)
    listener.serve()
