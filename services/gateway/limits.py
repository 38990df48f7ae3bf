"""How often may somebody call? A token bucket for each key, and one for each address that shows keys which are none. Pure:
instants are in nanoseconds of a clock that never goes back."""

import ipaddress
from collections import OrderedDict
from typing import NamedTuple

from services.gateway.problems import ApiProblem

_SECOND = 1_000_000_000
MAX_BUCKETS = 65536
"""So many keys, and so many addresses, are remembered; who has been silent the longest is forgotten, and has a full bucket
again."""
POLICY, STANDING = "RateLimit-Policy", "RateLimit"


class Limit(NamedTuple):
    """So many calls in so many seconds: as many at once, and as they are used up they come back evenly over the window."""

    calls: int
    window_s: int


class Standing(NamedTuple):
    """What a call has come to. `left`: how many more there may be at once; `whole_s`: seconds until all may be again;
    `again_s`: seconds after which the next one is worth trying."""

    allowed: bool
    left: int
    whole_s: int
    again_s: int


def limit(setting: str) -> Limit | None:
    """The limit of a setting like `600/60`; None when it is empty."""
    if not setting:
        return None
    calls, _, window_s = setting.partition("/")
    return Limit(int(calls), int(window_s))


class Buckets:
    """A bucket for each name."""

    def __init__(self, limit: Limit, most: int = MAX_BUCKETS) -> None:
        self._limit, self._most = limit, most
        self._cost = max(1, limit.window_s * _SECOND // limit.calls)
        self._whole = self._cost * limit.calls
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def take(self, name: str, now: int) -> Standing:
        """One call, if there may be one."""
        full_at = max(self._full_at.get(name, now), now)
        allowed = full_at + self._cost - now <= self._whole
        if allowed:
            full_at += self._cost
            self._full_at[name] = full_at
            self._full_at.move_to_end(name)
            if len(self._full_at) > self._most:
                self._full_at.popitem(last=False)
        return self._standing(allowed, full_at - now)

    def look(self, name: str, now: int) -> Standing:
        """What a call would come to; nothing is taken."""
        missing = max(self._full_at.get(name, now) - now, 0)
        return self._standing(missing + self._cost <= self._whole, missing)

    def _standing(self, allowed: bool, missing: int) -> Standing:
        over = max(missing + self._cost - self._whole, 0)
        return Standing(allowed, (self._whole - missing) // self._cost, _seconds(missing), _seconds(over))


class Limits:
    """The limits of one gateway; None: there is no such limit."""

    def __init__(self, of_key: Limit | None, of_address: Limit | None) -> None:
        self._of_key, self._of_address = of_key, of_address
        self._keys = Buckets(of_key) if of_key else None
        self._addresses = Buckets(of_address) if of_address else None
        self._proven: OrderedDict[tuple[str, str], None] = OrderedDict()

    def known(self, key_id: str, address: str, now: int) -> dict[str, str]:
        """A call with a key that is good: the headers of its answer, whatever that is. Raises ApiProblem.

        An address that has shown too many bad keys is not told which one is good, so guessing is slow; a key that was
        good there before stays good, for others may be behind the same address."""
        proof = (key_id, network(address))
        if self._addresses is not None and proof not in self._proven:
            self._refuse_guesser(self._addresses.look(proof[1], now))
        self._remember(proof)
        if self._keys is None or self._of_key is None:
            return {}
        standing = self._keys.take(key_id, now)
        headers = _headers(self._of_key, standing)
        if not standing.allowed:
            detail = f"You may make {self._of_key.calls} calls in {self._of_key.window_s} s at this gateway."
            raise _exceeded(detail, standing, headers)
        return headers

    def unknown(self, address: str, now: int) -> None:
        """A call without a key that is good. Raises ApiProblem when there were too many from there."""
        if self._addresses is not None:
            self._refuse_guesser(self._addresses.take(network(address), now))

    def _refuse_guesser(self, standing: Standing) -> None:
        if not standing.allowed:
            raise _exceeded("Too many calls without a valid key have come from this address.", standing, {})

    def _remember(self, proof: tuple[str, str]) -> None:
        self._proven[proof] = None
        self._proven.move_to_end(proof)
        if len(self._proven) > MAX_BUCKETS:
            self._proven.popitem(last=False)


def network(address: str) -> str:
    """Whom an address stands for: who has one of IPv6 has all that begin with the same 64 bits. In `::ffff:…`, as proxies
    that listen for both write it, there is one of IPv4."""
    if ":" not in address:
        return address
    whole = ipaddress.IPv6Address(address.partition("%")[0])
    return str(whole.ipv4_mapped or ipaddress.IPv6Network((whole, 64), strict=False))


def _headers(limit: Limit, standing: Standing) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers has them: lists of structured fields (RFC 9651)."""
    return {
        POLICY: f'"key";q={limit.calls};w={limit.window_s}',
        STANDING: f'"key";r={standing.left};t={standing.whole_s}',
    }


def _exceeded(detail: str, standing: Standing, headers: dict[str, str]) -> ApiProblem:
    return ApiProblem("quota_exceeded", detail, headers={"Retry-After": str(max(standing.again_s, 1)), **headers})


def _seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // _SECOND)
