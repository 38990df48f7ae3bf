"""`probe PORT`: whether a service on this machine is ready, for health checks in images that have no curl."""

import http.client
import sys
from collections.abc import Sequence

HOST = "127.0.0.1"
_TIMEOUT_S = 5.0
_SAID_BYTES = 1000


def probe(arguments: Sequence[str]) -> int:
    """0 when the port's `/readyz`, or the path given after it, answers 200; 1 when not, and a line that says why; 2 when the
    arguments are no port and path."""
    match arguments:
        case [port] if port.isdecimal():
            path = "/readyz"
        case [port, path] if port.isdecimal() and path.startswith("/"):
            pass
        case _:
            print("usage: probe PORT [/PATH]", file=sys.stderr)
            return 2
    try:
        connection = http.client.HTTPConnection(HOST, int(port), timeout=_TIMEOUT_S)
        connection.request("GET", path)
        response = connection.getresponse()
        said = response.read(_SAID_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        print(f"{path} on port {port}: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    if response.status == http.HTTPStatus.OK:
        return 0
    print(f"{path} on port {port}: {response.status} {said}", file=sys.stderr)
    return 1
