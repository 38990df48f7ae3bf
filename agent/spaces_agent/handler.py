"""The user's handler: what it is given, how it is called, and what is taken from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from spaces_agent import frames, handler_log, output
from spaces_agent.errors import BadHandler
from spaces_agent.files import Files

Function = Callable[..., Any]


class Listener(Protocol):
    """Takes what a handler says through its context, from any thread."""

    def progress(self, progress: bytes) -> None:
        """How far the handler is, made by `output.progress`."""

    def log(self, lines: list[str]) -> None:
        """Lines of log, made by `handler_log.lines_of`."""


@dataclass(slots=True)
class Context:
    """What a handler may know about its request, and say before its result, if it takes a second parameter."""

    request_id: str
    attempt: int
    """1 for the first time that this request is given to an agent."""
    space: str
    user: str
    traceparent: str
    """The W3C trace context of this run, for what the handler calls; empty when there is none."""
    deadline_s: float
    """So many seconds after the start of the handler the request is given up."""
    metadata: dict[str, Any] = field(default_factory=dict)
    tracestate: str = ""
    """What belongs to `traceparent`, if anything."""
    cancelled: bool = False
    """Becomes true when the outcome is no longer wanted; a long sync handler looks at it and returns."""
    files: Files = field(default_factory=Files, repr=False, compare=False)
    """Reads the files that the input refers to, and takes those that the output is to refer to."""
    _listener: Listener | None = field(default=None, repr=False, compare=False)

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell whoever waits how far the handler is: 0 to 1, and up to 1000 characters about it. Only the latest counts.
        May be called from any thread; does nothing once the outcome is no longer wanted. Raises ValueError."""
        encoded = output.progress(fraction, message)
        if self._listener is not None and not self.cancelled:
            self._listener.progress(encoded)

    def log(self, text: str) -> None:
        """Log a line, or several, that whoever waits may read; its end is kept with the outcome. A line of more than
        16 Ki characters is cut off. May be called from any thread; does nothing once the outcome is no longer wanted."""
        if self._listener is not None and not self.cancelled:
            self._listener.log(handler_log.lines_of(text))

    @classmethod
    def of(cls, assign: frames.Assign, listener: Listener, files: Files, trace: tuple[str, str]) -> Context:
        """The context of an assignment; `trace` is traceparent and tracestate of its run."""
        return cls(
            request_id=assign.request_id,
            attempt=assign.attempt,
            space=assign.space,
            user=assign.user,
            traceparent=trace[0],
            tracestate=trace[1],
            deadline_s=assign.deadline_s,
            metadata=assign.metadata,
            files=files,
            _listener=listener,
        )


class Handler:
    """A checked handler function. Raises BadHandler when it cannot be one."""

    def __init__(self, function: Function) -> None:
        if not callable(function):
            raise BadHandler(f"a handler must be a function, not {type(function).__name__}")
        plain = inspect.isroutine(function) or isinstance(function, partial)
        called = function if plain else function.__call__  # type: ignore[operator]
        self.is_async = inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called)
        self._function = function
        self._takes_context = _takes_context(function)

    def call(self, value: Any, context: Context) -> Any:
        """Call the function; of one that is async or yields the result is its coroutine or generator."""
        return self._function(value, context) if self._takes_context else self._function(value)


def _takes_context(function: Function) -> bool:
    """Whether the function has a second positional parameter without a default. A default marks a parameter that is
    the function's own, as in `lambda input, model=model: …`."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # a function written in C that does not tell its signature
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [parameter for parameter in parameters if parameter.kind in kinds]
    required = [parameter for parameter in positional if parameter.default is inspect.Parameter.empty]
    if len(required) > 2:
        raise BadHandler("a handler takes the input and, if it likes, a context: no more than two parameters")
    if not positional and not any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        raise BadHandler("a handler takes at least one parameter: the input")
    return len(positional) > 1 and positional[1] in required
