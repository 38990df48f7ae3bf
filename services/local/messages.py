"""What `spaces up` tells people."""

import shlex
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from services.local.addresses import is_loopback
from services.local.stack import Ready


def change_line(name: str, state: str, detail: str) -> str:
    """One change of a child's state."""
    return f"{time.strftime('%H:%M:%S')}  {name:<14}{state:<10}{detail}".rstrip()


def status_line(agents: int, events: Counter[str]) -> str:
    """How many agents there are, and what has become of requests since the start."""
    counts = ", ".join(f"{events[type_]} {type_}" for type_ in ("accepted", "succeeded", "failed", "requeued", "expired"))
    return f"{agents} {'agent' if agents == 1 else 'agents'} online · {counts}"


def welcome(ready: Ready, home: Path) -> str:
    """What to do with a stack that is ready."""
    return f"""
WebSocket Spaces is ready.

  URL          {ready.public_url or "  ".join(ready.urls)}{_on_this_machine(ready)}
  API key      {ready.api_key}   (space {ready.space})
  agent key    {ready.agent_key}
  credentials  {_from_here(home / "credentials.json")}   (also for signing in at the URL as the administrator)
  logs         {_from_here(home / "logs")}

In another terminal, submit a request and follow it to its end:
  {_command("spaces")} submit {ready.space} prompt=hello --follow{_home_option(home)}

Serve the space with a function of your own, answer(input) in model.py:
  export WS_AGENT_KEY={ready.agent_key}
  {_command("spaces-agent")} run --url {ready.public_url or ready.url} \\
    --space {ready.space} --slots 8 --engine python:model:answer

Ctrl-C stops everything; the next start goes on where this one ended.
"""


def cautions(host: str, public_url: str, trusted_proxies: str) -> list[str]:
    """What is worth knowing before anybody elsewhere uses a stack that listens on `host`."""
    found = []
    with_tls, alone = public_url.startswith("https://"), is_loopback(host)
    if not with_tls and not (alone and not public_url):
        found.append(
            "Caution: without TLS everybody on the way can read passwords and keys. Put a proxy with a certificate before"
            " it, and say --public-url https://… (docs/server.md)."
        )
    if with_tls and not alone:
        found.append(
            f"Caution: what reaches {host} without the proxy has no TLS. Leave --host out when the proxy is on this machine,"
            " or let the firewall pass the proxy alone."
        )
    if with_tls and not trusted_proxies:
        found.append(
            "Note: WS_TRUSTED_PROXIES names no proxy, so all callers have the proxy's address: they share one limit of calls"
            " without a key, and agents are shown with that address."
        )
    return found


def _on_this_machine(ready: Ready) -> str:
    return f"   (on this machine {'  '.join(ready.urls)})" if ready.public_url else ""


def _command(name: str) -> str:
    """What to type for a command of this installation, in a shell that stands where we do."""
    installed = Path(sys.executable).with_name(name)
    if not installed.exists() or shutil.which(installed.name) == str(installed):
        return installed.name
    return _from_here(installed)


def _home_option(home: Path) -> str:
    """What to say to a command that does not look there by itself."""
    return "" if home.absolute() == Path.cwd() / ".spaces" else f" --home {shlex.quote(_from_here(home))}"


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
