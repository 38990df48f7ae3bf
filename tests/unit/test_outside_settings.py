"""The settings that tell a gateway of the world before it."""

import pytest

from services.runtime.outside import networks, public_origin
from services.runtime.settings import SettingsError, read


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("", ""),
        ("https://spaces.example.com", "https://spaces.example.com"),
        ("HTTPS://Spaces.Example.com:443/", "https://spaces.example.com"),
        ("http://10.0.0.7:80", "http://10.0.0.7"),
        ("https://spaces.example.com:8443", "https://spaces.example.com:8443"),
        ("https://[2001:DB8::0:1]:8443/", "https://[2001:db8::1]:8443"),
    ],
)
def test_a_public_url_is_written_as_browsers_write_an_origin(text: str, origin: str) -> None:
    assert public_origin(text) == origin


@pytest.mark.parametrize(
    "text",
    [
        *(
            "spaces.example.com",
            "ws://spaces.example.com",
            "https://",
            "https:///x",
            "https://a b",
            "https://a,b",
            "https://ä.org",
        ),
        *("https://spaces.example.com/path", "https://a/?b=c", "https://a#b", "https://u:p@a"),
        *("https://a:99999", "https://a:x", "https://[::1", "https://[x::1]", "https://-a", "https://a'"),
    ],
)
def test_what_is_no_public_url_is_refused_in_words(text: str) -> None:
    with pytest.raises(SettingsError, match="WS_PUBLIC_URL: "):
        read({"WS_PUBLIC_URL": text})


def test_trusted_proxies_are_addresses_and_networks() -> None:
    assert networks(" 127.0.0.1, 10.0.0.0/8,::1 ,") == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert networks("") == []


@pytest.mark.parametrize("text", ["*", "proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1 ::1"])
def test_what_is_no_address_or_network_is_refused_rather_than_passed_over(text: str) -> None:
    with pytest.raises(SettingsError, match="WS_TRUSTED_PROXIES: "):
        read({"WS_TRUSTED_PROXIES": text})
