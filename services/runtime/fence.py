"""A fence around a stream: while it stands, the stream takes what recovery publishes and nothing from anybody else.

The stream is bound to `ws.recovery.<stream>.>`, and the server takes this prefix off before it stores a message: what is
stored, and what expected sequences are compared with, is as ever. Who publishes under the stream's own subjects hears that
there is nobody (measured with one server and with three).
"""

from typing import Any

from nats.aio.client import Client

from services.contracts.subjects import FENCE
from services.runtime.topology import EPOCH, Declaration, create, update


async def create_fenced(nc: Client, declaration: Declaration, epoch: int, first_seq: int) -> None:
    """Make the stream of an epoch behind its fence; it begins at `first_seq`. Raises ApiError, NatsUnavailable."""
    config = _fenced(declaration) | {"first_seq": first_seq}
    if "metadata" in config:
        config["metadata"] = config["metadata"] | {EPOCH: str(epoch)}
    await create(nc, Declaration(declaration.name, config))


async def put_up_fence(nc: Client, declaration: Declaration) -> None:
    """Fence an existing stream. Raises ApiError, NatsUnavailable."""
    await update(nc, Declaration(declaration.name, _fenced(declaration)))


async def take_down_fence(nc: Client, declaration: Declaration) -> None:
    """Let everybody publish again; harmless when there is no fence. Raises ApiError, NatsUnavailable."""
    await update(nc, declaration)


def _fenced(declaration: Declaration) -> dict[str, Any]:
    bound = f"{FENCE}{declaration.name}.>"
    return declaration.config | {"subjects": [bound], "subject_transform": {"src": bound, "dest": ">"}}
