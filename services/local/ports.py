"""Choosing TCP ports on this machine."""

import errno
import random
import socket
from collections.abc import Collection

from services.local.errors import PortInUse

# Below the range from which systems take the local ports of outgoing connections (32768 on Linux, 49152 elsewhere):
# a port in that range can be taken while its server restarts, even by a client that then connects to itself.
LOWEST, HIGHEST = 15000, 31999
_TRIES = 200


def require_free(host: str, port: int) -> None:
    """Check that one may listen on the port. Raises PortInUse; OSError when `host` is no address of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT does not count
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port) from error
            if error.errno == errno.EACCES:
                raise PortInUse(host, port, "may not be used without special rights") from error
            raise


def is_free(host: str, port: int) -> bool:
    """Whether one may listen on the port right now."""
    try:
        require_free(host, port)
    except PortInUse:
        return False
    return True


def free_port(host: str = "127.0.0.1", preferred: int = 0, avoid: Collection[int] = ()) -> int:
    """A port on which nobody listens, and none to avoid: `preferred` when it is free, else any. Somebody may take it before
    you do. Raises PortInUse."""
    port = preferred
    for _ in range(_TRIES):
        if port and port not in avoid and is_free(host, port):
            return port
        port = random.randint(LOWEST, HIGHEST)
    raise PortInUse(host, port, "and many others are in use")
