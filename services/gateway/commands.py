"""Commands of callers to the registry."""

import contextlib
import math

import msgspec
from nats.aio.client import Client

from services.contracts.rpc import Recorded
from services.contracts.subjects import registry_rpc
from services.gateway.problems import ApiProblem
from services.runtime import rpc
from services.runtime.directory import DirectoryFollower

FOLDED_S = 1.0
_CODES = {
    "not_found": "not_found",
    "exists": "exists",
    "conflict": "exists",
    "wrong": "forbidden",
    "last_admin": "forbidden",
    "locked_out": "locked_out",
}


async def command(nc: Client, follower: DirectoryFollower, operation: str, asked: msgspec.Struct) -> Recorded:
    """Have the registry carry out a command. Raises ApiProblem, NatsUnavailable."""
    try:
        recorded = await rpc.call(nc, registry_rpc(operation), asked, Recorded)
    except rpc.Refused as error:
        raise refused(error) from error
    # What is recorded is done, whenever this gateway hears of it: usually now, so that its caller finds it here at once.
    with contextlib.suppress(TimeoutError):
        await follower.wait_for(recorded.seq, FOLDED_S)
    return recorded


def refused(error: rpc.Refused) -> ApiProblem:
    """The answer to what the registry refused."""
    detail = f"{error.message[:1].upper()}{error.message[1:]}."
    headers = {"Retry-After": str(math.ceil(error.retry_after_s))} if error.retry_after_s else {}
    return ApiProblem(_CODES.get(error.code, "input_invalid"), detail, headers=headers)
