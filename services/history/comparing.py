"""Whether a stream still is the one that the log was recorded from, as log and NATS say."""

from nats.aio.client import Client

from services.history.database import Connection
from services.history.positions import Position, Stamp, contradiction
from services.history.store import recorded_stamp
from services.runtime.jetstream import StreamInfo, get
from services.runtime.topology import EPOCH


async def contradicted(
    nc: Client, connection: Connection, stream: str, position: Position, info: StreamInfo
) -> tuple[str | None, int]:
    """Why the stream, of which `info` was said just now, cannot be the one recorded up to the position, None when it can;
    and its epoch. Raises NatsUnavailable, ApiError, or what a lost database raises."""
    epoch = int(info.config.metadata.get(EPOCH, "1"))
    stored = await get(nc, stream, seq=position.seq) if position.seq > 0 else None
    recorded = await recorded_stamp(connection, stream, position)
    there = None if stored is None else Stamp(stored.time_ns, stored.subject)
    return contradiction(position, epoch, info.state.last_seq, recorded, there), epoch
