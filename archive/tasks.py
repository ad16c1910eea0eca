from __future__ import annotations

import uuid

from archive.models import Delivery
from archive.services import index
from core.tasks import task

BUSY_DELAY_SECONDS = 2


@task(queue="ingest", time_limit_seconds=3600)
def index_delivery(*, organisation_id: int, delivery_id: str) -> None:
    """Index what is in the spool of one delivery. While another worker is at it, look again a moment later."""
    delivery = Delivery.objects.select_related("archive", "organisation").filter(pk=uuid.UUID(delivery_id)).first()
    if delivery is None:
        return
    if not index.try_index(delivery=delivery):
        index_delivery.enqueue(
            delay_seconds=BUSY_DELAY_SECONDS, organisation_id=organisation_id, delivery_id=delivery_id
        )
