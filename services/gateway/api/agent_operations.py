"""What is offered of one agent: part of `operations`."""

from services.gateway.api import examples
from services.gateway.api.operation import KEY_PROBLEMS, Answer, Operation, Parameter, Tag

AGENTS_TAG = Tag("Agents", "The programs that dial out and do the work.")
NAMED = (
    Parameter("owner", "path", "The id of the user whose agent it is.", {"type": "string"}, examples.OWNER),
    Parameter("name", "path", "The agent's name.", {"type": "string"}, examples.NAME),
)
NOT_CONNECTED = {"not_found": "No such agent of the caller's is connected."}

AGENT = Operation(
    id="agent",
    scopes=("read",),
    method="GET",
    path="/v1/agents/{owner}/{name}",
    tag=AGENTS_TAG,
    summary="Look at an agent that is connected, and at what it does",
    description="With the requests that it holds now. What it did before is in the lists of requests and of connections.",
    parameters=NAMED,
    answers={200: Answer("The agent.", examples.AT_WORK)},
    problems={**KEY_PROBLEMS, **NOT_CONNECTED},
)
DISCONNECT = Operation(
    id="disconnect",
    scopes=("manage",),
    method="POST",
    path="/v1/agents/{owner}/{name}/disconnect",
    tag=AGENTS_TAG,
    summary="Close an agent's connection, so that it makes another",
    description="For a connection that is stuck. The agent comes back by itself with all that it holds, and what runs goes "
    "on, if it is back within 20 seconds. To have it end, drain it; to keep it away, revoke its key.",
    parameters=NAMED,
    answers={202: Answer("The connection is being closed; the agent as it was.", examples.CONNECTED)},
    problems={**KEY_PROBLEMS, **NOT_CONNECTED},
)

AGENT_OPERATIONS = (AGENT, DISCONNECT)
