"""Choosing ports."""

import socket
from collections.abc import Iterator

import pytest

from services.local.errors import PortInUse
from services.local.ports import free_port, is_free, require_free


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_named(taken: int) -> None:
    with pytest.raises(PortInUse, match=f"port {taken} on 127.0.0.1 is in use") as raised:
        require_free("127.0.0.1", taken)
    assert "\n" not in str(raised.value)


def test_a_taken_preference_gives_another_port(taken: int) -> None:
    port = free_port(preferred=taken)
    assert port != taken
    assert is_free("127.0.0.1", port)


def test_a_free_preference_is_kept() -> None:
    port = free_port()
    assert free_port(preferred=port) == port


def test_a_port_to_avoid_is_not_chosen_preferred_or_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    somebodys = free_port()
    another = free_port(avoid=[somebodys])
    chosen = iter([somebodys, another])
    monkeypatch.setattr("services.local.ports.random.randint", lambda *_: next(chosen))
    assert free_port(preferred=somebodys, avoid={somebodys}) == another
