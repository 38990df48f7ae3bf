"""The operations on members of spaces; `operations` offers them."""

from services.gateway.api import examples
from services.gateway.api.operation import KEY_PROBLEMS, Answer, Operation, Parameter
from services.gateway.api.space_operations import SPACE_PARAMETER, SPACES_TAG

_USER = Parameter("user", "path", "The user's id or e-mail address.", {"type": "string"}, examples.OWNER)
_PROBLEMS = {
    **KEY_PROBLEMS,
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space, or the caller does not manage it.",
    "not_found": "There is no such space, or none that the caller may see.",
}

MEMBERS = Operation(
    id="members",
    scopes=("manage",),
    method="GET",
    path="/v1/spaces/{space}/members",
    tag=SPACES_TAG,
    summary="List the members of a space",
    description="Without its owner and administrators, who manage every space.",
    parameters=(SPACE_PARAMETER,),
    answers={200: Answer("The members, by id.", examples.MEMBERS)},
    problems=_PROBLEMS,
)
SET_MEMBER = Operation(
    id="set_member",
    scopes=("manage",),
    method="PUT",
    path="/v1/spaces/{space}/members/{user}",
    tag=SPACES_TAG,
    summary="Make a user a member of a space, or give a member another role",
    description="A `viewer` may see the space, a `submitter` may also submit to it, a `manager` may also change it, its "
    "members and its agents' keys, but not delete it. At every gateway within a second.",
    parameters=(SPACE_PARAMETER, _USER),
    body=examples.MEMBER_BODY,
    answers={200: Answer("The member.", examples.MEMBER)},
    problems={
        **_PROBLEMS,
        "invalid_request": "The body is no JSON in UTF-8.",
        "payload_too_large": "The body is larger than 8 MiB.",
        "input_invalid": "The body does not fit; `errors` says where. Or the space has as many members as there may be.",
        "not_found": "There is no such user, or no such space, or none that the caller may see.",
    },
)
REMOVE_MEMBER = Operation(
    id="remove_member",
    scopes=("manage",),
    method="DELETE",
    path="/v1/spaces/{space}/members/{user}",
    tag=SPACES_TAG,
    summary="Let a user be no member of a space",
    description="What they have submitted goes on, and they see it still. If the space is private, their agents serve it no "
    "more. To repeat it changes nothing.",
    parameters=(SPACE_PARAMETER, _USER),
    answers={204: Answer("They are no member.")},
    problems=_PROBLEMS,
)
MEMBER_OPERATIONS = (MEMBERS, SET_MEMBER, REMOVE_MEMBER)
