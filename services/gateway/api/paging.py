"""What every list has that is shown page by page."""

from services.contracts.lists import MAX_LIMIT
from services.gateway.api import examples
from services.gateway.api.operation import KEY_PROBLEMS, Parameter
from services.gateway.lists import DEFAULT_LIMIT

PAGING = (
    Parameter(
        "limit",
        "query",
        "How many at most; a page may hold fewer although there are more.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        DEFAULT_LIMIT,
    ),
    Parameter(
        "cursor",
        "query",
        "`next` or `previous` of a page; the filters stand beside it again.",
        {"type": "string"},
        examples.PAGE_CURSOR,
    ),
)
LIST_PROBLEMS = {
    **KEY_PROBLEMS,
    "invalid_request": "A parameter is not known, or not as it should be.",
    "invalid_cursor": "The cursor is none of a page of this list.",
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space.",
    "not_found": "There is no such space.",
}
USERS_LIST_PROBLEMS = {
    **LIST_PROBLEMS,
    "forbidden": "The key is an agent's, or lacks a scope, or is not for this space, or no administrator's and the user is "
    "somebody else.",
    "not_found": "There is no such space or user.",
}
"""Of lists that may be those of a user."""
