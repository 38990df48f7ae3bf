"""Which functions can be handlers, and what they are called with."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from spaces_agent import engines
from spaces_agent.errors import ConfigError
from spaces_agent.handler import Context, Handler

CONTEXT = Context(request_id="0" * 34, attempt=1, space="demo", user="", traceparent="", deadline_s=60.0, metadata={})


class TestCall:
    def test_one_parameter_is_the_input(self) -> None:
        assert Handler(lambda value: value).call(1, CONTEXT) == 1

    def test_a_second_parameter_is_the_context(self) -> None:
        assert Handler(lambda value, context: context).call(1, CONTEXT) is CONTEXT

    def test_a_parameter_with_a_default_is_the_functions_own(self) -> None:
        assert Handler(lambda value, model="m": model).call(1, CONTEXT) == "m"

    def test_a_method_and_an_object_with_call_can_be_handlers(self) -> None:
        class Model:
            def answer(self, value: Any) -> Any:
                return value

            async def __call__(self, value: Any, context: Context) -> Any:
                return value

        assert Handler(Model().answer).call(1, CONTEXT) == 1
        assert Handler(Model()).is_async

    def test_a_function_of_an_extension_is_given_the_input(self) -> None:
        assert Handler(len).call([1, 2], CONTEXT) == 2

    def test_an_async_function_is_known_as_one(self) -> None:
        async def handle(value: Any) -> Any:
            return value

        assert Handler(handle).is_async
        assert Handler(functools.partial(handle)).is_async
        assert not Handler(lambda value: value).is_async

    def test_one_that_yields_in_the_event_loop_is_async(self) -> None:
        assert Handler(yields_async).is_async
        assert not Handler(yields).is_async

    def test_a_context_without_an_agent_may_be_spoken_to(self) -> None:
        CONTEXT.log("a test of a handler")
        CONTEXT.progress(1, "done")
        with pytest.raises(ValueError, match="from 0 to 1"):
            CONTEXT.progress(2)


def yields(value: Any) -> Iterator[Any]:
    yield value


async def yields_async(value: Any) -> AsyncIterator[Any]:
    yield value


@pytest.mark.parametrize("function", [None, "name", lambda: 1, lambda a, b, c: 1], ids=lambda f: str(f)[:20])
def test_what_cannot_be_a_handler_is_refused_at_once(function: Any) -> None:
    with pytest.raises(TypeError):
        Handler(function)


def load(engine: str) -> Any:
    return engines.function(engines.named(engine))


class TestEngines:
    def test_echo_returns_its_input(self) -> None:
        assert load("echo")({"a": 1}) == {"a": 1}

    def test_python_names_a_function_of_a_module(self) -> None:
        assert load("python:json:dumps")([1]) == "[1]"

    @pytest.mark.parametrize(
        "engine",
        ["", "ech", "python", "python:", "python:json", "python:json:", "python:json:nothing",
         "python:json:__name__", "python:no_such_module:f", "python:json.no_such:f"],
    )  # fmt: skip
    def test_what_names_no_function_is_refused(self, engine: str) -> None:
        with pytest.raises(ConfigError):
            load(engine)

    def test_a_function_of_a_module_has_a_name_for_another_interpreter(self) -> None:
        assert engines.target(json.dumps) == "json:dumps"
        assert engines.target(json.JSONEncoder.encode) == "json.encoder:JSONEncoder.encode"
        assert engines.target("model:answer") == "model:answer"

    @pytest.mark.parametrize(
        "function",
        [lambda value: value, json.JSONEncoder().encode, functools.partial(json.dumps)],
        ids=lambda f: str(f)[:20],
    )
    def test_a_function_that_another_interpreter_does_not_find_has_none(self, function: Any) -> None:
        with pytest.raises(ConfigError, match="cannot be isolated"):
            engines.target(function)

    def test_nor_has_one_of_the_program_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def handle(value: Any) -> Any:
            return value

        handle.__module__, handle.__qualname__ = "__main__", "handle"
        monkeypatch.setattr(sys.modules["__main__"], "handle", handle, raising=False)
        with pytest.raises(ConfigError, match="the program itself"):
            engines.target(handle)
