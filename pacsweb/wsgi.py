"""The web application, served by granian."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from archive import decoding
from pacsweb.start import refuse_without_walls

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacsweb.settings.development")

application = get_wsgi_application()
refuse_without_walls()
decoding.wait_at_most(decoding.WEB_WAIT_SECONDS)
decoding.warm()
