"""Problem codes: the one list of what can go wrong for a client (RFC 9457 `code`), with HTTP status and a title."""

from typing import NamedTuple


class Kind(NamedTuple):
    """One problem code. `retryable`: the same request may succeed later."""

    status: int
    title: str
    retryable: bool = False


PROBLEMS: dict[str, Kind] = {
    "invalid_request": Kind(400, "The request is malformed"),
    "invalid_cursor": Kind(400, "This is no cursor of ours"),
    "unauthenticated": Kind(401, "A valid key is needed"),
    "forbidden": Kind(403, "This key may not do that"),
    "feature_disabled": Kind(403, "The space does not take that"),
    "not_found": Kind(404, "No such thing"),
    "method_not_allowed": Kind(405, "This path does not take that method"),
    "already_done": Kind(409, "The request has ended"),
    "not_done": Kind(409, "The request has not ended"),
    "exists": Kind(409, "It exists already"),
    "file_in_use": Kind(409, "A request needs the file"),
    "offset_mismatch": Kind(409, "The upload goes on elsewhere"),
    "space_in_use": Kind(409, "Requests of the space are open"),
    "data_expired": Kind(410, "Its data is no longer kept"),
    "precondition_failed": Kind(412, "That version is not spoken here"),
    "payload_too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body is of another type"),
    "range_not_satisfiable": Kind(416, "The file has no such part"),
    "input_invalid": Kind(422, "The input does not fit"),
    "idempotency_mismatch": Kind(422, "This idempotency key was used for another body"),
    "quota_exceeded": Kind(429, "That is more than is allowed at a time", True),
    "queue_full": Kind(429, "Too many requests wait already", True),
    "locked_out": Kind(429, "Too many wrong passwords", True),
    "internal": Kind(500, "Something went wrong on our side", True),
    "unavailable": Kind(503, "Not possible right now", True),
    "space_disabled": Kind(503, "The space takes no submissions", True),
    "no_agent_online": Kind(503, "No agent of the space is connected", True),
    # In a request's `error`, never as an HTTP answer of their own.
    "start_timeout": Kind(200, "It was not started in time", True),
    "execution_timeout": Kind(200, "The handler took longer than allowed"),
    "agent_lost": Kind(200, "Agents were lost again and again while running it"),
    "handler_error": Kind(200, "The handler raised an error"),
    "output_too_large": Kind(200, "The output is over the limit"),
}
