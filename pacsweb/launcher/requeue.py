"""Gives the tasks of a worker that died back to its queues at once.

The broker itself does that only after the visibility timeout, which must be longer than the longest task. The launcher
knows better: it saw the only worker of these queues end. Tasks are idempotent, so giving one back twice does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Collection

import redis

UNACKED = "unacked"
UNACKED_INDEX = "unacked_index"


def give_back(*, url: str, queues: Collection[str]) -> int:
    """Put every unacknowledged message of these queues back at the head of its queue; how many there were."""
    client = redis.Redis.from_url(url, socket_timeout=10)
    returned = 0
    for tag, stored in client.hscan_iter(UNACKED):
        message, _exchange, routing_key = json.loads(stored)
        if routing_key not in queues:
            continue
        message["headers"]["redelivered"] = True
        properties = message.setdefault("properties", {})
        properties.setdefault("delivery_info", {})["redelivered"] = True
        with client.pipeline(transaction=True) as pipeline:
            pipeline.hdel(UNACKED, tag)
            pipeline.zrem(UNACKED_INDEX, tag)
            pipeline.rpush(routing_key, json.dumps(message))
            pipeline.execute()
        returned += 1
    return returned
