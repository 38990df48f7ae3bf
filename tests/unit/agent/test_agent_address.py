"""The address of a gateway, as a user types it."""

from __future__ import annotations

import pytest

from spaces_agent.address import connect_url
from spaces_agent.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("http://127.0.0.1:5001", "ws://127.0.0.1:5001/v1/agents/connect"),
        ("https://spaces.example.com/", "wss://spaces.example.com/v1/agents/connect"),
        ("ws://host", "ws://host/v1/agents/connect"),
        ("WSS://host/prefix/", "wss://host/prefix/v1/agents/connect"),
        ("https://host/v1/agents/connect", "wss://host/v1/agents/connect"),
        (" http://[::1]:8080 ", "ws://[::1]:8080/v1/agents/connect"),
    ],
)
def test_the_websocket_is_found_under_the_gateways_address(typed: str, expected: str) -> None:
    assert connect_url(typed) == expected


@pytest.mark.parametrize(
    "typed",
    ["", "spaces.example.com", "localhost:5001", "ftp://host", "http://", "http://host:port", "http://host:99999",
     "http://host:0", "http://us er", "http://user:secret@host", "http://host?key=1", "http://host#x", "http://[::1",
     "http://a..b"],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_clear_error(typed: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect_url(typed)
    assert "secret" not in str(caught.value)
