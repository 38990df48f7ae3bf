"""How a gateway is seen from outside, and which pages are its own."""

from typing import Any

import pytest

from services.gateway.outside import PUBLIC_URL, base_url, check_origin, is_secure
from services.gateway.problems import ApiProblem

PUBLIC = "https://spaces.example"


def scope(scheme: str = "http", public_url: str = "", **headers: str) -> dict[str, Any]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"scheme": scheme, "headers": sent, PUBLIC_URL: public_url}


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"null", b"https://", b"http://[", b"http://here.evil.example", b""]
)
def test_what_a_page_of_another_host_sends_is_refused(origin: bytes) -> None:
    headers = {b"host": b"here", b"origin": origin}
    for public_url in ("", PUBLIC):
        check_origin("GET", headers, public_url)
        with pytest.raises(ApiProblem, match="another host"):
            check_origin("POST", headers, public_url)


@pytest.mark.parametrize("origin", [b"http://here:5001", b"https://HERE:5001"])
def test_what_a_page_of_this_host_sends_is_taken(origin: bytes) -> None:
    for public_url in ("", PUBLIC):
        check_origin("POST", {b"host": b"here:5001", b"origin": origin}, public_url)


def test_what_a_page_of_the_public_host_sends_is_taken_whatever_host_the_proxy_asks_for() -> None:
    for host in (b"spaces.example", b"127.0.0.1:5001"):
        check_origin("POST", {b"host": host, b"origin": b"https://spaces.example"}, PUBLIC)
        for wrong in (b"http://spaces.example", b"https://spaces.example:444", b"https://spaces.example.evil"):
            with pytest.raises(ApiProblem, match="another host"):
                check_origin("POST", {b"host": host, b"origin": wrong}, PUBLIC)


def test_there_is_tls_where_the_connection_or_the_public_host_has_it() -> None:
    assert is_secure(scope("https", host="here"))
    assert is_secure(scope("http", PUBLIC, host="Spaces.Example"))
    assert not is_secure(scope("http", PUBLIC, host="127.0.0.1:5001"))
    assert not is_secure(scope("http", "http://spaces.example", host="spaces.example"))
    assert not is_secure(scope("http", host="here", x_forwarded_proto="https"))


def test_the_public_url_is_shown_and_else_the_one_that_was_asked_for() -> None:
    assert base_url(scope("https", host="here:1")) == "https://here:1"
    assert base_url(scope("http", PUBLIC, host="here:1")) == PUBLIC
