"""Both clients have the same methods, typed in the same way."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any, get_args, get_origin

import pytest

from spaces_client import AsyncClient, Client

ASYNCHRONOUS = {Iterator: AsyncIterator, Generator: AsyncGenerator}


def methods(client: type) -> dict[str, Any]:
    return {name: member for name, member in vars(client).items() if not name.startswith("_")}


def test_there_are_the_same_methods_in_the_same_order() -> None:
    assert list(methods(Client)) == list(methods(AsyncClient))


@pytest.mark.parametrize("name", methods(Client))
def test_a_method_takes_and_gives_the_same(name: str) -> None:
    blocking, awaited = getattr(Client, name), getattr(AsyncClient, name)
    one, other = inspect.signature(blocking, eval_str=True), inspect.signature(awaited, eval_str=True)
    assert one.parameters == other.parameters
    assert next(iter(one.parameters)) == "self"
    shown = get_origin(one.return_annotation)
    if shown in ASYNCHRONOUS:
        assert not inspect.iscoroutinefunction(awaited), "it is iterated over, not awaited"
        assert get_origin(other.return_annotation) is ASYNCHRONOUS[shown]
        assert get_args(one.return_annotation)[0] == get_args(other.return_annotation)[0]
    else:
        assert inspect.iscoroutinefunction(awaited)
        assert one.return_annotation == other.return_annotation
    assert not inspect.iscoroutinefunction(blocking)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_method_says_what_it_does_and_what_it_is_called(client: type) -> None:
    for name, method in methods(client).items():
        assert method.__name__ == name
        assert method.__doc__, name


def test_the_arguments_that_a_method_shows_are_those_that_it_takes() -> None:
    bound = inspect.signature(Client("http://127.0.0.1:1", "wsk_k").read)
    assert list(bound.parameters) == ["id"]
    with pytest.raises(TypeError):
        Client("http://127.0.0.1:1", "wsk_k").read(identity="x")  # type: ignore[call-arg]
