"""What JetStream's refusals mean for whoever asked."""

import pytest

from services.runtime.errors import NatsUnavailable
from services.runtime.jetstream import ApiError, ErrorBody, raise_error


def test_not_now_is_no_final_refusal() -> None:
    with pytest.raises(NatsUnavailable, match="10008"):
        raise_error(ErrorBody(503, 10008, "JetStream system temporarily unavailable"))


@pytest.mark.parametrize("error", [ErrorBody(400, 10005, "no suitable peers"), ErrorBody(500, 10118, "stream is offline")])
def test_nor_is_too_few_servers(error: ErrorBody) -> None:
    with pytest.raises(NatsUnavailable):
        raise_error(error)


def test_any_other_error_is_final() -> None:
    with pytest.raises(ApiError) as error:
        raise_error(ErrorBody(404, 10059, "stream not found"))
    assert (error.value.code, error.value.err_code) == (404, 10059)


def test_no_error_is_none() -> None:
    raise_error(None)
