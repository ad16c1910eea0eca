from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
def test_healthz_says_what_works() -> None:
    response = Client().get("/healthz", headers={"host": "10.1.2.3"})
    assert response.status_code == 200, response.content
    assert response.json()["checks"] == {"database": "ok", "schema": "ok", "broker": "ok", "storage": "ok"}
