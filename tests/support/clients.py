"""Both clients with the same face, so that a test of one is a test of the other."""

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

from spaces_client import AsyncClient, Client

_END = object()


class Awaited:
    """An AsyncClient in an event loop of its own, whose methods return and iterate as those of a Client do."""

    def __init__(self, url: str, key: str) -> None:
        self._client = AsyncClient(url, key)
        self._loop = asyncio.Runner()
        self._closed = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            return self._loop.run(result) if inspect.iscoroutine(result) else self._iterated(result)

        return call

    def __enter__(self) -> "Awaited":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._loop.run(self._client.close())
            self._loop.close()

    def _iterated(self, iterator: Any) -> Iterator[Any]:
        async def following() -> Any:
            return await anext(iterator, _END)

        try:
            while (each := self._loop.run(following())) is not _END:
                yield each
        finally:
            if not self._closed:
                self._loop.run(iterator.aclose())


CLIENTS = [Client, Awaited]
"""To be made with an address and a key."""
Connect = Callable[[str, str], Any]


def printed(yielded: list[Any]) -> str:
    """What a follower prints of what a handler yields: text as it comes, any other value as a line of JSON."""
    text = ""
    for value in yielded:
        if isinstance(value, str):
            text += value
        else:
            text += ("\n" if text and not text.endswith("\n") else "") + json.dumps(value, separators=(",", ":")) + "\n"
    return text
