"""What the bucket `ws_leases` holds. Dispatchers write it."""

import msgspec


class PartitionLease(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a partition's key in `ws_leases`: the dispatcher that owns it, until the key expires."""

    owner: str
