"""Ports: is one free, which one is, and who holds it."""

from __future__ import annotations

import errno
import socket

import psutil

from pacsweb.launcher.messages import LaunchError


def is_free(*, host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EACCES:
                raise LaunchError(f"Port {port} needs more rights than this user has; choose one above 1023.") from None
            if error.errno == errno.EADDRNOTAVAIL:
                raise LaunchError(f"PACSWEB_BIND is {host}, which is no address of this machine.") from None
            raise
    return True


def require_free(*, host: str, port: int, purpose: str, variable: str) -> None:
    """One clear sentence, naming the program that holds the port where we may see it."""
    if is_free(host=host, port=port):
        return
    raise LaunchError(
        f"Port {port} ({purpose}) is already used by {_holder(port=port)}; stop that, or set {variable} to another port."
    )


def _holder(*, port: int) -> str:
    try:
        for connection in psutil.net_connections(kind="tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"


def choose(*, preferred: int | None = None) -> int:
    """A free loopback port; the preferred one when it is still free."""
    if preferred is not None and is_free(host="127.0.0.1", port=preferred):
        return preferred
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(*, host: str, port: int, timeout: float = 1.0) -> bool:
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False
