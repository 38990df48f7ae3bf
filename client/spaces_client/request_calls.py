"""What clients do with requests, as values. Pure."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from spaces_client import lists, objects
from spaces_client.call import Call, segment
from spaces_client.lists import Listing
from spaces_client.objects import Request
from spaces_client.submission import Policy, submission
from spaces_client.timeline import Page, Timeline, join, page


def submit(
    space: str,
    input: Mapping[str, Any] | msgspec.Raw,
    *,
    wait_s: float = 0,
    idempotency_key: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    policy: Policy | None = None,
) -> Call[Request]:
    """Submit an object (`msgspec.Raw`: JSON as it stands) to a space, and wait up to `wait_s` seconds, at most 60, for
    the outcome. Without an idempotency key of yours a random one is sent. Raises ClientError."""
    path = f"/v1/spaces/{segment(space)}/requests"
    return _made(path, submission(input, metadata, policy), wait_s, idempotency_key)


def read(id: str) -> Call[Request]:
    """A request as it is. Raises ClientError."""
    return Call(method="GET", path=_path(id), read=objects.request)


def requests(
    *,
    space: str | None = None,
    status: Sequence[str] | str | None = None,
    user: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    limit: int | None = None,
) -> Listing[Request]:
    """Requests, the newest first, `limit` at most: one's own, or all for an administrator, who may name a user (by id or
    e-mail address). Without inputs and outputs: `read` has them. Pages are asked for as they are needed, so the iterator
    may raise ClientError."""
    wanted = lists.filters(
        space=space, status=status or None, user=user, created_after=created_after, created_before=created_before
    )
    return Listing("/v1/requests", wanted, objects.request, limit)


def cancel(id: str) -> Call[Request]:
    """Cancel a request; one that is canceled stays so. Raises ClientError, with `already_done` when it has ended in
    another way."""
    return Call(method="POST", path=_path(id, "/cancel"), read=objects.request)


def retry(id: str, *, wait_s: float = 0, idempotency_key: str | None = None) -> Call[Request]:
    """Submit the input of a request that has ended again; the answer is a request of its own. Raises ClientError, with
    `not_done` when it has not ended, and `data_expired` when its input is not kept."""
    return _made(_path(id, "/retry"), None, wait_s, idempotency_key)


def erase(id: str) -> Call[Request]:
    """Erase the data of a request that has ended: input, output, metadata, logs. One that is erased stays so. Raises
    ClientError, with `not_done` when it has not ended."""
    return Call(method="DELETE", path=_path(id, "/data"), read=objects.request)


def timeline(id: str) -> Generator[Call[Page], Page, Timeline]:
    """What has happened to a request so far. Raises ClientError."""
    pages = [(yield _page(id, ""))]
    while pages[-1].results and not pages[-1].done and (after := pages[-1].next):
        pages.append((yield _page(id, after)))
    return join(pages)


def events_path(id: str) -> str:
    """Where the stream of a request's events is."""
    return _path(id, "/events")


def _made(path: str, body: bytes | None, wait_s: float, idempotency_key: str | None) -> Call[Request]:
    key = idempotency_key or ""
    return Call(method="POST", path=path, body=body, read=objects.request, wait_s=wait_s, idempotency_key=key)


def _page(id: str, after: str) -> Call[Page]:
    as_json = {"Accept": "application/json"}
    return Call(method="GET", path=events_path(id), headers=as_json, query={"after": after}, read=page)


def _path(id: str, action: str = "") -> str:
    return f"/v1/requests/{segment(id)}{action}"
