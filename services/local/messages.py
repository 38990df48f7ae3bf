"""What `spaces up` tells people."""

import time
from collections import Counter
from pathlib import Path

from services.local.stack import Ready


def change_line(name: str, state: str, detail: str) -> str:
    """One change of a child's state."""
    return f"{time.strftime('%H:%M:%S')}  {name:<14}{state:<10}{detail}".rstrip()


def status_line(agents: int, events: Counter[str]) -> str:
    """How many agents and requests there are."""
    counts = ", ".join(f"{events[type_]} {type_}" for type_ in ("accepted", "succeeded", "failed", "requeued", "expired"))
    return f"{agents} {'agent' if agents == 1 else 'agents'} online · requests since the start: {counts}"


def welcome(ready: Ready, home: Path) -> str:
    """What to do with a stack that is ready."""
    key = f"-H 'Authorization: Bearer {ready.api_key}'"
    body = """-H 'Content-Type: application/json' -H 'Prefer: wait=10' -d '{"input": {"prompt": "hello"}}'"""
    return f"""
WebSocket Spaces is ready.

  URL          {"  ".join(ready.urls)}
  API key      {ready.api_key}   (space {ready.space})
  agent key    {ready.agent_key}
  credentials  {home / "credentials.json"}   (also the administrator's password)
  logs         {home / "logs"}

Submit a request and wait for its result:
  curl -s {ready.url}/v1/spaces/{ready.space}/requests {key} {body}

Serve the space with a function of your own, answer(input) in model.py:
  WS_AGENT_KEY={ready.agent_key} spaces-agent run --url {ready.url} --space {ready.space} --engine python:model:answer

Ctrl-C stops everything; the next start goes on where this one ended.
"""
