"""The key with which a person's browser encrypts what they typed and did not send yet (`static/src/lib/kept-text.ts`)."""

from __future__ import annotations

import base64

from django.utils.crypto import salted_hmac

from access.models import User


def key_of(user: User) -> str:
    """32 bytes in base64: the same in every session of the person, another for everybody else.

    It goes only into pages that are served to this person. A new password ends it, as it ends the sessions.
    """
    mac = salted_hmac("access.kept_text", f"{user.pk}:{user.password}", algorithm="sha256")
    return base64.b64encode(mac.digest()).decode()
