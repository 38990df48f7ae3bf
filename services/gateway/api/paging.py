"""The parameters of every list that is shown page by page."""

from services.contracts.lists import MAX_LIMIT
from services.gateway.api import examples
from services.gateway.api.operation import Parameter
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
