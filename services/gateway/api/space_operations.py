"""What the API offers about spaces; see `operations`."""

from collections.abc import Mapping

from services.gateway.api import examples
from services.gateway.api.operation import KEY_PROBLEMS, Answer, Header, Operation, Parameter, Tag

SPACE_PARAMETER = Parameter(
    "space", "path", "The space's name.", {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,47}$"}, "demo"
)
SPACES_TAG = Tag("Spaces", "Named inference endpoints: agents serve them, users submit to them.")

_LOCATION = Header("Location", "The path of what was made.", {"type": "string"}, "/v1/spaces/demo")
_SEEN: Mapping[str, str] = {
    **KEY_PROBLEMS,
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
    "not_found": "There is no such space, or none that the caller may see.",
}
_CHANGED: Mapping[str, str] = {
    **_SEEN,
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space, or the caller does not manage it: "
    "is neither its owner nor a manager nor an administrator.",
}
_BODY = {
    "invalid_request": "The body is no JSON in UTF-8.",
    "payload_too_large": "The body is larger than 8 MiB.",
    "input_invalid": "The body does not fit; `errors` says where.",
}

SPACES = Operation(
    id="spaces",
    scopes=("read",),
    method="GET",
    path="/v1/spaces",
    tag=SPACES_TAG,
    summary="List the spaces that the caller may see",
    description="Without private ones of which the caller is no member; of those that the key is for.",
    answers={200: Answer("The spaces, by name.", examples.SPACES)},
    problems=KEY_PROBLEMS,
)
SPACE = Operation(
    id="space",
    scopes=("read",),
    method="GET",
    path="/v1/spaces/{space}",
    tag=SPACES_TAG,
    summary="Read a space",
    description="Whoever may see it: of a private one its members.",
    parameters=(SPACE_PARAMETER,),
    answers={200: Answer("The space.", examples.SPACE)},
    problems=_SEEN,
)
CREATE_SPACE = Operation(
    id="create_space",
    scopes=("manage",),
    whole=True,
    method="POST",
    path="/v1/spaces",
    tag=SPACES_TAG,
    summary="Create a space",
    description="It is the caller's. To repeat it does no harm: a space that is there with the same settings is the answer.",
    body=examples.CREATE_SPACE,
    answers={201: Answer("The space.", examples.SPACE, (_LOCATION,))},
    problems={
        **KEY_PROBLEMS,
        **_BODY,
        "forbidden": "The key is an agent's, or lacks a scope, or is limited to spaces, or the owner is another and the "
        "caller no administrator.",
        "not_found": "There is no such user to own it.",
        "exists": "The name is, or was, another space's: names are not given twice.",
    },
)
EDIT_SPACE = Operation(
    id="edit_space",
    scopes=("manage",),
    method="PATCH",
    path="/v1/spaces/{space}",
    tag=SPACES_TAG,
    summary="Change settings of a space",
    description="What the body leaves out stays as it is. Of two who change the same setting at once, the later one wins. "
    "Settings are for requests and connections that come later; the limits of what runs at once are for all that waits, "
    "`retention_s` is for all that has ended: what it lets go cannot be brought back.",
    parameters=(SPACE_PARAMETER,),
    body=examples.EDIT_SPACE,
    answers={200: Answer("The space as it is now.", examples.SPACE)},
    problems={**_CHANGED, **_BODY},
)
DELETE_SPACE = Operation(
    id="delete_space",
    scopes=("manage",),
    method="DELETE",
    path="/v1/spaces/{space}",
    tag=SPACES_TAG,
    summary="Delete a space",
    description="For good: its name is not given to another one. Only without open requests: disable it first, purge its "
    "queue, and let what runs come to its end. What somebody submits in that very moment goes on to its end all the same.",
    parameters=(SPACE_PARAMETER,),
    answers={204: Answer("It is no more.")},
    problems={**_CHANGED, "space_in_use": "Requests of the space are queued or processing."},
)


def _switch(word: str, summary: str, description: str) -> Operation:
    return Operation(
        id=f"{word}_space",
        scopes=("manage",),
        method="POST",
        path=f"/v1/spaces/{{space}}/{word}",
        tag=SPACES_TAG,
        summary=summary,
        description=description,
        parameters=(SPACE_PARAMETER,),
        answers={200: Answer("The space as it is now.", examples.SPACE)},
        problems=_CHANGED,
    )


PAUSE_SPACE = _switch(
    "pause",
    "Let a space's requests wait",
    "Submissions are accepted and wait, with `space_paused` as the reason, until the space is resumed or their start "
    "timeout has passed. What runs goes on.",
)
RESUME_SPACE = _switch("resume", "Let a paused space go on", "Its requests are assigned again.")
ENABLE_SPACE = _switch("enable", "Let a disabled space take submissions again", "It takes submissions from now on.")
DISABLE_SPACE = _switch(
    "disable",
    "Let a space take no submissions",
    "They are refused with `space_disabled`. What the space has accepted goes on.",
)
PURGE_QUEUE = Operation(
    id="purge_queue",
    scopes=("manage",),
    method="POST",
    path="/v1/spaces/{space}/queue/purge",
    tag=SPACES_TAG,
    summary="Cancel everything that waits in a space",
    description="All requests that were accepted before and have not been assigned, whoever submitted them. What runs goes "
    "on, what comes in meanwhile waits. Answers within about 30 s; if `more` wait, ask again.",
    parameters=(SPACE_PARAMETER,),
    answers={200: Answer("So many are canceled.", examples.PURGED)},
    problems=_CHANGED,
)
SPACE_OPERATIONS = (
    *(SPACES, CREATE_SPACE, SPACE, EDIT_SPACE, DELETE_SPACE),
    *(PAUSE_SPACE, RESUME_SPACE, ENABLE_SPACE, DISABLE_SPACE, PURGE_QUEUE),
)
