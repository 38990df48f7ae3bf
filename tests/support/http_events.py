"""Readers of events at gateways of a test."""

from services.contracts import subjects
from services.runtime.errors import NatsUnavailable
from tests.support.elsewhere import Elsewhere
from tests.support.http_gateway import ADA, Gateway
from tests.support.readers import Reader

DELETED_S = 20.0
"""A consumer that nobody has deleted is there for longer, until the server notices that nobody pulls."""


async def submitted(gateway: Gateway, body: bytes = b'{"input":{"n":1}}') -> str:
    """Submit a request; its id."""
    return str((await gateway.submit(body)).json["id"])


def reader_of(rid: str, *gateways: Gateway) -> Reader:
    """A reader with ada's key."""
    return Reader([gateway.url for gateway in gateways], ADA, rid)


def events(reader: Reader) -> list[str]:
    """The names of all events that it has seen."""
    return [seen.event for seen in reader.seen]


async def _metric(gateway: Gateway, name: str) -> float:
    lines = (await gateway.call("GET", "/metrics", key="")).body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def run_to_the_end(elsewhere: Elsewhere, rid: str, parts: int = 3) -> None:
    """Play an agent that says some parts and succeeds."""
    await elsewhere.assign(rid)
    for n in range(parts):
        await elsewhere.say(rid, f"part {n}. ")
    await elsewhere.succeed(rid)


async def answers(elsewhere: Elsewhere, rid: str) -> bool:
    """Whether the stream with this request can be read."""
    try:
        await elsewhere.last(rid)
    except NatsUnavailable:
        return False
    return True


async def followed(elsewhere: Elsewhere, by: int) -> bool:
    """Whether so many read the stream OUTPUT."""
    return await elsewhere.consumers(subjects.OUTPUT) == by


async def read_by(gateway: Gateway, value: int) -> bool:
    """Whether a gateway counts so many readers."""
    return await _metric(gateway, "ws_event_streams ") == value
