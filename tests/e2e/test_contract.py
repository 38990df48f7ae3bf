"""The gateway keeps what its OpenAPI document promises, whatever it is sent: generated requests to every operation of a real
stack, each answer compared with the document. The same requests every time."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.gateway.api.operations import OPERATIONS
from tests.support.stack import Stack, fresh_home
from tests.support.world import agent

POSITIVE, NEGATIVE = 200, 60
"""So many requests that fit the document, and that do not, are sent to each operation."""
CHECKS = (
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
ANSWER_S = 20.0
PHASES = (Phase.generate, Phase.shrink)


@dataclass
class Contract:
    """The document, a client, and what there is in the stack to ask about."""

    url: str
    schema: Any
    http: requests.Session
    paths: dict[str, list[dict[str, str]]]
    """Path parameters that lead somewhere, by operation; those of requests by default."""
    answered: dict[str, Counter[int]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def contract() -> Iterator[Contract]:
    with fresh_home() as home, Stack(home, "--no-demo") as stack, requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {stack.ready.api_key}"
        schema = schemathesis.openapi.from_url(f"{stack.ready.url}/openapi.json")
        canceled = [stack.submit({"n": n}, wait=0)["id"] for n in range(2)]
        for rid in canceled:
            assert http.post(f"{stack.ready.url}/v1/requests/{rid}/cancel", timeout=ANSWER_S).status_code == 200
        with agent(stack, "echo", name="echo"):
            ended = [stack.submit({"n": n})["id"] for n in range(2)]
            key = {"id": made(stack, http, "keys", {"name": "to be revoked"})}
            user = {"id": made(stack, http, "users", {"email": "other@localhost", "password": "long enough"})}
            space, other = ({"space": made(stack, http, "spaces", {"id": id})} for id in ("managed", "deleted"))
            paths = {
                "": [{"id": rid} for rid in (*canceled, *ended)],
                "submit": [{"space": stack.ready.space}],
                "drain": [connected_agent(stack, http)],
                "revoke_key": [key],
                "disable_user": [user],
                "enable_user": [user],
                "space": [space],
                **{f"{word}_space": [space] for word in ("edit", "pause", "resume", "enable", "disable")},
                "purge_queue": [space],
                **{f"space_{what}": [space] for what in ("queue", "agents", "health")},
                "delete_space": [other],
            }
            yield Contract(stack.ready.url, schema, http, paths)


def made(stack: Stack, http: requests.Session, what: str, body: dict[str, str]) -> str:
    """The id of a key or user that is made."""
    answer = http.post(f"{stack.ready.url}/v1/{what}", json=body, timeout=ANSWER_S)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def connected_agent(stack: Stack, http: requests.Session) -> dict[str, str]:
    """Owner and name of the one agent."""
    [found] = http.get(f"{stack.ready.url}/v1/agents", timeout=ANSWER_S).json()["results"]
    owner, _, name = found["id"].partition("/")
    return {"owner": owner, "name": name}


def cases(contract: Contract, id: str, mode: GenerationMode) -> st.SearchStrategy[Case]:
    """Requests to an operation, most of them about something that exists."""
    known = st.sampled_from(contract.paths.get(id, contract.paths[""]))

    def about(path: dict[str, str], case: Case) -> Case:
        if case.path_parameters:
            case.path_parameters = {**case.path_parameters, **path}
        return case

    return st.builds(about, known | known | known | st.just({}), generated(contract, id, mode))


def generated(contract: Contract, id: str, mode: GenerationMode) -> st.SearchStrategy[Case]:
    """Requests to an operation as its document describes them."""
    found: st.SearchStrategy[Case] = contract.schema.find_operation_by_id(id).as_strategy(generation_mode=mode)
    return found


def send(contract: Contract, id: str, *checks: Callable[..., Any]) -> Callable[[Case], None]:
    """Send a request, and compare the answer with the document."""
    answered = contract.answered.setdefault(id, Counter())

    def sent(case: Case) -> None:
        answer = case.call(session=contract.http, timeout=ANSWER_S)
        answered[answer.status_code] += 1
        case.validate_response(answer, checks=[*CHECKS, *checks])
        assert answer.status_code < 500 or answer.status_code == 503
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == answer.headers["x-request-id"][0]

    return sent


def run(count: int, strategy: st.SearchStrategy[Case], sent: Callable[[Case], None]) -> None:
    """Send so many requests, always the same ones."""
    bounds = settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )

    @bounds
    @given(strategy)
    def each(case: Case) -> None:
        sent(case)

    each()


@pytest.mark.timeout(600)  # generated requests may ask to wait
@pytest.mark.parametrize("id", [operation.id for operation in OPERATIONS])
def test_every_answer_is_as_the_document_says(contract: Contract, id: str) -> None:
    run(POSITIVE, cases(contract, id, GenerationMode.POSITIVE), send(contract, id))
    answered = contract.answered[id]
    assert answered.total() >= POSITIVE
    assert any(status < 300 for status in answered), answered
    print(id, dict(answered))


@pytest.mark.timeout(600)  # generated requests may ask to wait
@pytest.mark.parametrize("id", [operation.id for operation in OPERATIONS if operation.parameters])
def test_what_does_not_fit_the_document_is_refused_as_it_says(contract: Contract, id: str) -> None:
    run(NEGATIVE, cases(contract, id, GenerationMode.NEGATIVE), send(contract, id))


def test_without_a_key_every_operation_says_so(contract: Contract) -> None:
    for operation in OPERATIONS:
        path = operation.path
        for parameter in operation.parameters:
            path = path.replace(f"{{{parameter.name}}}", str(parameter.example))
        answer = requests.request(operation.method, contract.url + path, json={"input": {}}, timeout=ANSWER_S)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"]
