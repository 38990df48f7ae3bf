"""What `spaces up` tells people before anybody elsewhere uses it."""

from pathlib import Path

import pytest

from services.local.messages import cautions, welcome
from services.local.stack import Ready

HTTPS = "https://spaces.example.com"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.0.1"])
def test_a_stack_for_this_machine_alone_needs_no_caution(host: str) -> None:
    assert cautions(host, "", "") == []
    assert cautions(host, HTTPS, "127.0.0.1") == []


@pytest.mark.parametrize(
    ("host", "public_url"), [("0.0.0.0", ""), ("192.0.2.1", "http://a.example"), ("127.0.0.1", "http://a")]
)
def test_without_tls_it_is_said_that_passwords_can_be_read_and_what_to_do(host: str, public_url: str) -> None:
    (said,) = cautions(host, public_url, "127.0.0.1")
    assert "passwords and keys" in said
    assert "--public-url https://" in said
    assert "docs/server.md" in said


def test_a_port_that_is_open_beside_the_proxy_is_told_of() -> None:
    (said,) = cautions("0.0.0.0", HTTPS, "127.0.0.1")
    assert "--host" in said
    assert "firewall" in said


def test_a_proxy_that_is_not_trusted_is_told_of() -> None:
    (said,) = cautions("127.0.0.1", HTTPS, "")
    assert "WS_TRUSTED_PROXIES" in said


def test_what_agents_elsewhere_are_told_is_the_public_url() -> None:
    ready = Ready(
        url="http://127.0.0.1:5001", urls=["http://127.0.0.1:5001"], public_url=HTTPS, api_key="wsk_1", agent_key="wsa_1",
        admin={}, space="demo", nats_url="", database_url="", pids={},
    )  # fmt: skip
    text = welcome(ready, Path("/srv/home"))
    assert f"run --url {HTTPS} " in text
    assert f"URL          {HTTPS}   (on this machine http://127.0.0.1:5001)" in text
