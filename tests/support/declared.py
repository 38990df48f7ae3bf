"""Whether an operation may answer as it did, by its own declaration: OpenAPI and the documentation are made of that."""

import re

import msgspec

from services.gateway.api.operation import Operation
from services.gateway.api.operations import OPERATIONS
from services.gateway.problems import MEDIA_TYPE


def check_declared(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Fails when the operation at this path declares neither the status nor, of a problem, the code."""
    operation = operation_at(method, path.partition("?")[0])
    if operation is None:
        return
    assert status in operation.statuses(), f"{operation.id} does not declare {status}"
    if status >= 400 and method != "HEAD":
        assert content_type == MEDIA_TYPE
        code = msgspec.json.decode(body)["code"]
        assert code in operation.problems_of(status), f"{operation.id} does not declare {status} {code}"


def operation_at(method: str, path: str) -> Operation | None:
    """The operation that answers there, if one does."""
    for operation in OPERATIONS:
        pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(operation.path))
        if operation.method == method and re.fullmatch(pattern, path):
            return operation
    return None
