"""On which ports the gateways of a stack listen, and under which URL this machine reaches them."""

import ipaddress

from services.local.errors import LocalError, PortInUse
from services.local.home import Home
from services.local.ports import is_free, require_free

_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
_HIGHEST_PORT = 65535


class NoSuchAddress(LocalError):
    """`--host` is no address of this machine."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"cannot listen on {host} ({reason}): choose an address of this machine with --host")
        self.host, self.reason = host, reason


def gateway_ports(home: Home, host: str, port: int, count: int) -> list[int]:
    """`port` and the next free ones; from 0: any, but those of last time while they are free. Raises LocalError."""
    try:
        if port == 0:
            return [home.port(f"gateway-{number}", host) for number in range(1, count + 1)]
        require_free(host, port)
        free = (candidate for candidate in range(port + 1, _HIGHEST_PORT + 1) if is_free(host, candidate))
        ports = [port, *(next(free, 0) for _ in range(count - 1))]
    except OSError as error:
        raise NoSuchAddress(host, error.strerror or str(error)) from error
    if 0 in ports:
        raise PortInUse(host, port, "has too few free ports above it")
    return ports


def reachable_host(host: str) -> str:
    """Where this machine itself reaches a server that listens on `host`."""
    return _EVERY_ADDRESS.get(host, host)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(host: str, port: int) -> str:
    """The URL of a gateway, for programs on this machine."""
    reachable = reachable_host(host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
