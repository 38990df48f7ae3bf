"""What the recorded end of a connection comes to."""

import inspect
from typing import get_args

import pytest

from services.gateway import agents, endings
from services.gateway.endings import Cause, cause
from services.registry.connections import OpenConnections
from spaces_agent import frames


@pytest.mark.parametrize(
    ("reason", "code", "comes_to"),
    [
        (endings.GOODBYE, 1000, "goodbye"),
        ("the socket was closed", 1000, "lost"),
        ("the socket was closed", 1006, "lost"),
        ("the socket was closed", 0, "lost"),
        ("nothing heard for 25 s", frames.CLOSE_HEARTBEAT_TIMEOUT, "silent"),
        ("the agent does not read", endings.CLOSE_SLOW_CONSUMER, "not_reading"),
        (endings.STOPPING, frames.CLOSE_GOAWAY, "gateway_stopped"),
        ("gateway_lost", 0, "gateway_lost"),
        ("not_reported", 0, "given_up"),
        (endings.NEWER, frames.CLOSE_GOAWAY, "moved"),
        (endings.OTHER_PROCESS, frames.CLOSE_SUPERSEDED, "replaced"),
        (endings.DISCONNECTED, frames.CLOSE_GOAWAY, "disconnected"),
        (endings.WITHDRAWN, frames.CLOSE_GOAWAY, "given_up"),
        ("bad_key", frames.CLOSE_BAD_KEY, "bad_key"),
        (endings.SHUT_OUT, frames.CLOSE_GOAWAY, "shut_out"),
        ("bad_frame", 1008, "protocol"),
        ("not_text", 1003, "protocol"),
        ("output_gap", frames.CLOSE_RESYNC, "protocol"),
        (endings.NEVER_JOINED, 0, "not_joined"),
        ("what a later version says", 4099, "lost"),
    ],
)
def test_an_end_comes_to(reason: str, code: int, comes_to: Cause) -> None:
    assert cause(reason, code) == comes_to


def test_every_cause_is_there_for_something() -> None:
    assert set(get_args(Cause)) == {*endings._BY_REASON.values(), *endings._BY_CODE.values(), "lost"}


def test_the_words_are_those_that_are_recorded() -> None:
    source = inspect.getsource(agents)
    for name in ("STOPPING", "NEWER", "OTHER_PROCESS", "SHUT_OUT", "WITHDRAWN", "NEVER_JOINED"):
        assert f"endings.{name}" in source
    said = inspect.getsource(inspect.getmodule(OpenConnections))  # type: ignore[arg-type]
    assert all(f'"{reason}"' in said for reason in ("gateway_lost", "not_reported"))
