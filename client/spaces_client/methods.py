"""Methods of the clients, made of functions that make operations: written once, typed and documented in both."""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from spaces_client.call import Operation
from spaces_client.lists import Listing

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(Protocol):
    """What performs operations while its caller waits."""

    def perform(self, operation: Operation[T], /) -> T: ...
    def listed(self, listing: Listing[T], /) -> Iterator[T]: ...


class Asynchronous(Protocol):
    """What performs operations in an event loop."""

    async def perform(self, operation: Operation[T], /) -> T: ...
    def listed(self, listing: Listing[T], /) -> AsyncIterator[T]: ...


class BlockingClient(Protocol):
    """What has the methods that block."""

    @property
    def _connection(self) -> Blocking: ...


class AsynchronousClient(Protocol):
    """What has the methods to be awaited."""

    @property
    def _connection(self) -> Asynchronous: ...


def blocking(make: Callable[P, Operation[T]]) -> Callable[Concatenate[BlockingClient, P], T]:
    """A method that performs the operation which is made, and returns its result."""

    @wraps(make)
    def method(client: BlockingClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client._connection.perform(make(*args, **kwargs))

    return _signed(method, make)


def iterating(make: Callable[P, Listing[T]]) -> Callable[Concatenate[BlockingClient, P], Iterator[T]]:
    """A method that iterates over the list which is made."""

    @wraps(make)
    def method(client: BlockingClient, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return client._connection.listed(make(*args, **kwargs))

    return _signed(method, make, Iterator)


def awaited(make: Callable[P, Operation[T]]) -> Callable[Concatenate[AsynchronousClient, P], Coroutine[Any, Any, T]]:
    """A method that performs the operation which is made, to be awaited."""

    @wraps(make)
    async def method(client: AsynchronousClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client._connection.perform(make(*args, **kwargs))

    return _signed(method, make)


def iterating_async(make: Callable[P, Listing[T]]) -> Callable[Concatenate[AsynchronousClient, P], AsyncIterator[T]]:
    """A method that iterates over the list which is made, with `async for`."""

    @wraps(make)
    def method(client: AsynchronousClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return client._connection.listed(make(*args, **kwargs))

    return _signed(method, make, AsyncIterator)


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _signed(method: _Method, make: Callable[..., Any], kind: Any = None) -> _Method:
    """The method with the signature that is shown: the parameters of `make`, and the result of what it makes."""
    taken = inspect.signature(make, eval_str=True)
    result = typing.get_args(taken.return_annotation)[-1]
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    shown = taken.replace(
        parameters=[itself, *taken.parameters.values()],
        return_annotation=result if kind is None else kind[result],
    )
    vars(method).pop("__wrapped__", None)
    vars(method)["__signature__"] = shown
    return method
