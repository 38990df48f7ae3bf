"""The answer of the micro service `history` to who did what, from the log of the directory's events."""

from collections.abc import Mapping

import msgspec

from services.contracts import subjects
from services.contracts.audit import AuditPage, ListAudit
from services.contracts.directory import KeyRevoked
from services.contracts.lists import MAX_LIMIT, Place
from services.history.audit import Done, KeyCreated, done, entry, fits, keys_created
from services.history.database import Connection, Pool
from services.history.lists import EVER, PREFETCH, Lists
from services.history.statements import sql
from services.runtime.rpc import Refused


class Audit:
    """Answers."""

    def __init__(self, pool: Pool, lists: Lists) -> None:
        self._pool, self._lists = pool, lists

    async def page(self, query: ListAudit) -> AuditPage:
        """A page of events. Raises Refused."""
        if not 1 <= query.limit <= MAX_LIMIT:
            raise Refused("invalid", f"a page has 1 to {MAX_LIMIT} events")
        if query.recorded is not None:
            await self._lists.recorded(query.recorded)
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(sql("custom_plans"))
            keys = await _keys_of(connection, query.user) if query.user else {}
            found = await _found(connection, query, keys)
            page = found[: query.limit]
            revoked = await _revoked(connection, page)
        entries = [entry(each, revoked) for each in page]
        return AuditPage(entries=entries if query.direction == "older" else entries[::-1], more=len(found) > len(page))


async def _found(connection: Connection, query: ListAudit, keys: Mapping[str, KeyCreated]) -> list[Done]:
    """In the query's direction, one more than its limit if there is one more."""
    older = query.direction == "older"
    beside = query.beside or Place(EVER if older else -1, "")
    chain = subjects.directory_chain("space", query.space).removesuffix(">") if query.space else None
    revocations = [subjects.directory_event("key", id, "key_revoked") for id in keys]
    rows = connection.cursor(
        sql("audit_older" if older else "audit_newer"),
        beside.at,
        beside.key,
        query.since,
        query.until or EVER,
        query.types or None,
        chain,
        _text("actor", query.actor) if query.actor else None,
        revocations if query.user else None,
        _text("user", query.user),
        _text("owner", query.user),
        prefetch=PREFETCH,
    )
    found: list[Done] = []
    async for row in rows:
        each = done(row["at"], row["subject"], row["data"])
        if fits(query, each.event, keys):
            found.append(each)
        if len(found) > query.limit:
            break
    return found


def _text(field: str, value: str) -> bytes:
    """What the JSON of an event has somewhere whose field has this value; others may have it as well."""
    return f'"{field}":'.encode() + msgspec.json.encode(value)


async def _keys_of(connection: Connection, user: str) -> dict[str, KeyCreated]:
    created = keys_created([row["data"] for row in await connection.fetch(sql("keys_created_with"), _text("user", user))])
    return {id: key for id, key in created.items() if key.user == user}


async def _revoked(connection: Connection, page: list[Done]) -> dict[str, KeyCreated]:
    """The keys that events of a page revoke."""
    ids = [each.event.key_id for each in page if isinstance(each.event, KeyRevoked)]
    if not ids:
        return {}
    first = [subjects.directory_event("key", id, type) for id in ids for type in ("api_key_created", "agent_key_created")]
    return keys_created([row["data"] for row in await connection.fetch(sql("keys_created"), first)])
