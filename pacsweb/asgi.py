"""The web application, served by granian: the event loop takes requests, threads of ours run Django."""

from __future__ import annotations

from pacsweb.env import Environment
from pacsweb.serving.adapter import Adapter
from pacsweb.wsgi import application as django

application = Adapter(django, threads=Environment().get("PACSWEB_WEB_THREADS"))
