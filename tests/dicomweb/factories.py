"""A door with somebody in front of it, and a reader of multipart answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from email import message_from_bytes
from typing import Any

from django.test import Client

from access import services as access_services
from access.models import User
from archive.models import Archive
from archive.services.settle import claim, settle_study
from core.tenancy import tenant
from tests.access.factories import make_member


@dataclass(slots=True)
class Part:
    headers: dict[str, str]
    content: bytes


def make_reader(archive: Archive, *, role: str = "reader") -> User:
    user = make_member(archive.organisation)
    if role:
        access_services.grant_role(actor=None, container=archive, role=role, user=user)
    return user


def make_token(user: User, *scopes: str) -> str:
    _token, secret = access_services.create_token(user=user, name="test", scopes=scopes or ("dicomweb",))
    return secret


class Door:
    """A client at the DICOMweb root of an archive."""

    def __init__(self, archive: Archive, *, user: User | None = None, token: str = "") -> None:
        self.root = f"/o/{archive.organisation.slug}/dicomweb/{archive.slug}"
        self.client = Client(headers={"authorization": f"Bearer {token}"} if token else None)
        if user is not None:
            self.client.force_login(user)

    def get(self, path: str, *, accept: str = "", **headers: str) -> Any:
        if accept:
            headers["accept"] = accept
        return self.client.get(self.root + path, headers=headers)

    def json(self, path: str, **options: Any) -> Any:
        response = self.get(path, **options)
        assert response.status_code == 200, (response.status_code, content(response))
        return json.loads(content(response))


def content(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def parts(response: Any) -> list[Part]:
    """Read a multipart answer with the standard library, as an independent judge of its form."""
    assert response.status_code in (200, 206), content(response)
    raw = b"Content-Type: " + response["Content-Type"].encode() + b"\r\n\r\n" + content(response)
    message = message_from_bytes(raw)
    assert message.is_multipart(), raw[:200]
    found = [Part(headers=dict(part.items()), content=b"") for part in message.get_payload()]
    # The standard library may change line ends inside payloads: the bytes are cut by hand at the delimiters.
    delimiter = b"--" + message.get_boundary().encode()
    pieces = content_pieces(raw, delimiter)
    assert len(pieces) == len(found)
    for part, piece in zip(found, pieces, strict=True):
        part.content = piece
    return found


def content_pieces(raw: bytes, delimiter: bytes) -> list[bytes]:
    body = raw.split(b"\r\n\r\n", 1)[1]
    assert body.startswith(delimiter)
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)[1:]
    assert pieces[-1].startswith(b"--")
    return [piece.split(b"\r\n\r\n", 1)[1] for piece in pieces[:-1]]


def paths(dataset: Any) -> tuple[str, str, str]:
    study = f"/studies/{dataset.StudyInstanceUID}"
    series = f"{study}/series/{dataset.SeriesInstanceUID}"
    return study, series, f"{series}/instances/{dataset.SOPInstanceUID}"


def settle(archive: Archive) -> None:
    """What the worker does when a study went silent: thumbnails and metadata documents."""
    with tenant(archive.organisation):
        for study in archive.studies.all():
            claim(study_id=study.pk)
            settle_study(study_id=study.pk)
