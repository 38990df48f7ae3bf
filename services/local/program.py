"""One of our own programs as a child process: a service, or the demo agent."""

import http.client
import json
import signal
from collections.abc import Callable, Mapping

from services.local.child import Child
from services.local.home import Home
from services.local.launch import command, environment
from services.local.leftovers import marker

_PROBE_TIMEOUT_S = 2.0


class Program:
    """`python -m module` under supervision. `settings` are asked for at each start, since a port may have been taken.

    `name` is unique within its stack. Methods block; from asyncio, call them in a thread."""

    def __init__(
        self,
        home: Home,
        name: str,
        module: str,
        settings: Callable[[], Mapping[str, str]],
        *,
        arguments: tuple[str, ...] = (),
        stop_timeout_s: float = 10.0,
    ) -> None:
        self.name, self.log = name, home.log_file(name)
        self._command = [*command(module, "-X", marker(home)), *arguments]
        self._settings, self._stop_timeout_s = settings, stop_timeout_s
        self._child = Child(name, self.log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def poll(self) -> int | None:
        """None while it runs, else its exit status."""
        return self._child.poll()

    def start(self) -> None:
        """Start it, also again after it ended. Raises LocalError."""
        self._child.start(self._command, environment(self._settings()))

    def stop(self) -> None:
        """Let it drain, within a bound; harmless when it does not run."""
        self._child.stop(signal.SIGTERM, timeout_s=self._stop_timeout_s)

    def last_words(self) -> str:
        """What it said last, for people."""
        return message_of(self._child.last_words())


def message_of(line: str) -> str:
    """The message of a log line in JSON; any other line as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        return line
    return str(record["message"]) if isinstance(record, dict) and "message" in record else line


def answers_ready(host: str, port: int) -> bool:
    """Whether GET /readyz there is answered with 200."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
