"""What the agent and a worker, a process that runs its handler, tell each other."""

from __future__ import annotations

from spaces_agent import messages
from spaces_agent.files import Places
from spaces_agent.runner import Limits

# Agent → worker; beside these, how to run and to stop a handler is told as the link tells it


class Prepare(messages.Message, frozen=True, kw_only=True):
    """The first message: import the handler by its name `module:function`, looking where the agent itself would
    (`path`), and call the setup function before any work comes."""

    handler: str
    setup: str | None
    path: list[str]
    parent_pid: int
    places: Places


class Limit(messages.Message, frozen=True, kw_only=True):
    """What a gateway allows."""

    limits: Limits


# Worker → agent; beside this, what becomes of a run is told as it is told to the link


class Broken(messages.Message, frozen=True, kw_only=True):
    """There is nothing to serve with; the worker ends."""

    reason: str


ToWorker = Prepare | Limit | messages.Start | messages.Stop | messages.Stored
FromWorker = messages.Loaded | Broken | messages.Started | messages.Produced | messages.Finished | messages.Stopped
