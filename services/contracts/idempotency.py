"""What the bucket `ws_keys` holds. Gateways write it, and recovery writes it again."""

import msgspec


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a key in `ws_keys`: the request that was, or is about to be, accepted under it."""

    rid: str
    body_sha256: str
