"""What the API offers about the queues of spaces; see `operations`."""

from services.gateway.api import examples
from services.gateway.api.operation import KEY_PROBLEMS, Answer, Operation
from services.gateway.api.space_operations import SPACE_PARAMETER, SPACES_TAG
from services.gateway.health import SpaceHealthObject
from services.gateway.queue_view import SpaceQueueObject, WaitingObject
from services.gateway.view import self_url

_PROBLEMS = {
    **KEY_PROBLEMS,
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
    "not_found": "There is no such space.",
}
_QUEUE = SpaceQueueObject(
    space="demo",
    paused=False,
    queued=3,
    delayed=0,
    processing=2,
    slots=2,
    free=0,
    oldest_s=7.25,
    eta_s=10.0,
    next=[WaitingObject(id=examples.ID, position=1, url=self_url(examples.ID))],
)

SPACE_QUEUE = Operation(
    id="space_queue",
    scopes=("read",),
    method="GET",
    path="/v1/spaces/{space}/queue",
    tag=SPACES_TAG,
    summary="What waits and runs in a space, and who is next",
    description="All requests of the space are counted, whoever submitted them; named are the caller's own, or all for an "
    "administrator. As its dispatcher sees it now; places and `oldest_s` may be a quarter of a second old.",
    parameters=(SPACE_PARAMETER,),
    answers={200: Answer("The queue.", _QUEUE)},
    problems=_PROBLEMS,
)
SPACE_AGENTS = Operation(
    id="space_agents",
    scopes=("read",),
    method="GET",
    path="/v1/spaces/{space}/agents",
    tag=SPACES_TAG,
    summary="List the agents that serve a space: yours, or all for an administrator",
    description="As `GET /v1/agents`, of one space.",
    parameters=(SPACE_PARAMETER,),
    answers={200: Answer("The agents, by id.", examples.AGENTS)},
    problems=_PROBLEMS,
)
SPACE_HEALTH = Operation(
    id="space_health",
    scopes=("read",),
    method="GET",
    path="/v1/spaces/{space}/health",
    tag=SPACES_TAG,
    summary="Is a space well?",
    description="One word, and why: `disabled`, `paused`, `no_agent` (none is connected), `degraded` or `ok`. Degraded: no "
    "connected agent is ready, the queue is full, fewer than nine in ten of the requests that ended within an hour have "
    "succeeded (of at least ten), or nobody can tell how it is.",
    parameters=(SPACE_PARAMETER,),
    answers={
        200: Answer(
            "How it is, whatever that is.",
            SpaceHealthObject(
                space="demo",
                status="ok",
                reasons=[],
                agents=2,
                slots=2,
                queued=3,
                window_s=3600,
                success_rate=0.98,
            ),
        )
    },
    problems=_PROBLEMS,
)
QUEUE_OPERATIONS = (SPACE_QUEUE, SPACE_AGENTS, SPACE_HEALTH)
