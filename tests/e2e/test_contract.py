"""The gateway keeps what its OpenAPI document promises, whatever it is sent: generated requests to every operation of a real
stack, each answer compared with the document. The same requests every time."""

import contextlib
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
FORMS = "forms"
"""The space of forms and files."""
MEMBER = {"email": "member@localhost", "password": "long enough"}
PHASES = (Phase.generate, Phase.shrink)

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@dataclass
class Contract:
    """The document, a client, and what there is in the stack to ask about."""

    url: str
    schema: Any
    http: requests.Session
    paths: dict[str, list[dict[str, str]]]
    """Path parameters that lead somewhere, by operation; those of requests by default."""
    bodies: dict[str, dict[str, str]]
    """Fields of bodies that lead somewhere, by operation."""
    callers: dict[str, requests.Session]
    """Who else than the first administrator's key calls, by operation."""
    headers: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"append_file": {"Upload-Offset": "0"}, "create_file": {}}
    )
    """Headers that lead somewhere with a key and without a generated query, by operation."""
    answered: dict[str, Counter[int]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def contract() -> Iterator[Contract]:
    with fresh_home() as home, Stack(home, "--no-demo", WS_RATE_LIMIT_UNKNOWN="") as stack, requests.Session() as http:
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
            file, uploading = {"id": uploaded(stack, http)}, {"id": uploaded(stack, http, length=100_000)}
            paths = {
                "": [{"id": rid} for rid in (*canceled, *ended)],
                "submit": [{"space": stack.ready.space}],
                "drain": [connected_agent(stack, http)],
                **{id: [connected_agent(stack, http) | {"name": FORMS}] for id in ("agent", "disconnect")},
                "revoke_key": [key],
                "set_role": [user],
                "disable_user": [user],
                "enable_user": [user],
                "space": [space],
                **{f"{word}_space": [space] for word in ("edit", "pause", "resume", "enable", "disable")},
                "purge_queue": [space],
                "members": [space],
                **{f"{word}_member": [space | {"user": user["id"]}] for word in ("set", "remove")},
                **{f"space_{what}": [space] for what in ("queue", "agents", "health")},
                "delete_space": [other],
                "legacy_submit": [{"space_id": FORMS}],
                "legacy_status": [{"request_id": rid} for rid in ended],
                "create_file": [{"space": FORMS}],
                "file_offset": [uploading],
                "append_file": [uploading],
                "file": [file],
                "file_content": [file],
                "discover_upload": [file],
                "delete_file": [{"id": uploaded(stack, http)} for _ in range(2)],
            }
            with contextlib.ExitStack() as sessions, serving(stack, http, FORMS):
                people = People(stack, http, sessions)
                paths["make_password_reset"] = [{"id": people.member}]
                yield Contract(stack.ready.url, schema, http, paths, people.bodies(), people.callers())


@contextlib.contextmanager
def serving(stack: Stack, http: requests.Session, space: str) -> Iterator[None]:
    """A space of which no example tells, so that no generated request deletes it, with an agent that none drains."""
    made(stack, http, "spaces", {"id": space})
    body = {"name": space, "kind": "agent", "spaces": [space]}
    key = http.post(f"{stack.ready.url}/v1/keys", json=body, timeout=ANSWER_S).json()["secret"]
    with agent(stack, "echo", name=space, spaces=[space], key=key):
        yield


class People:
    """A member who signs in and changes their password, and one who has forgotten it."""

    def __init__(self, stack: Stack, http: requests.Session, sessions: contextlib.ExitStack) -> None:
        self._stack, self._http, self._sessions = stack, http, sessions
        self.member = made(stack, http, "users", MEMBER)

    def bodies(self) -> dict[str, dict[str, str]]:
        """Bodies that lead somewhere."""
        forgetful = made(self._stack, self._http, "users", {**MEMBER, "email": "forgetful@localhost"})
        url = f"{self._stack.ready.url}/v1/users/{forgetful}/password-reset"
        link = self._http.post(url, timeout=ANSWER_S)
        return {
            "sign_in": MEMBER,
            "sign_up": {**MEMBER, "email": "joining@localhost"},
            "change_password": {"current_password": MEMBER["password"], "new_password": MEMBER["password"]},
            "reset_password": {"token": link.json()["token"]},
        }

    def callers(self) -> dict[str, requests.Session]:
        """Two pages of the member, and their key."""
        body = {"name": "changing", "user": self.member, "scopes": ["manage"]}
        key = self._http.post(f"{self._stack.ready.url}/v1/keys", json=body, timeout=ANSWER_S).json()["secret"]
        changing = self._caller({"Authorization": f"Bearer {key}"})
        return {"session": self._page(), "sign_out": self._page(), "change_password": changing}

    def _page(self) -> requests.Session:
        answer = requests.post(f"{self._stack.ready.url}/v1/session", json=MEMBER, timeout=ANSWER_S)
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return self._caller({"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf_token"]})

    def _caller(self, headers: dict[str, str]) -> requests.Session:
        caller = self._sessions.enter_context(requests.Session())
        caller.headers.update(headers)
        return caller


def made(stack: Stack, http: requests.Session, what: str, body: dict[str, str]) -> str:
    """The id of a key or user that is made."""
    answer = http.post(f"{stack.ready.url}/v1/{what}", json=body, timeout=ANSWER_S)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def uploaded(stack: Stack, http: requests.Session, length: int | None = None) -> str:
    """The id of a file that is made, or of an upload that is begun."""
    url = f"{stack.ready.url}/v1/files?space={stack.ready.space}"
    headers = {} if length is None else {"Upload-Length": str(length)}
    answer = http.post(url, data=b"some" if length is None else b"", headers=headers, timeout=ANSWER_S)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def connected_agent(stack: Stack, http: requests.Session) -> dict[str, str]:
    """Owner and name of the one agent."""
    [found] = http.get(f"{stack.ready.url}/v1/agents", timeout=ANSWER_S).json()["results"]
    owner, _, name = found["id"].partition("/")
    return {"owner": owner, "name": name}


def cases(contract: Contract, id: str, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests to an operation, most of them about something that exists."""
    known = st.sampled_from([(path, contract.bodies.get(id, {})) for path in contract.paths.get(id, contract.paths[""])])
    [operation] = [each for each in OPERATIONS if each.id == id]
    queries = {parameter.name for parameter in operation.parameters if parameter.place == "query"}
    nothing: st.SearchStrategy[tuple[dict[str, str], dict[str, str]]] = st.just(({}, {}))

    def about(there: tuple[dict[str, str], dict[str, str]], case: Case[Any]) -> Case[Any]:
        path, body = there
        if case.path_parameters:
            case.path_parameters = {**case.path_parameters, **path}
        if path and id in contract.headers:
            case.headers.update(contract.headers[id])
            case.query = {}
        if named := {name: value for name, value in path.items() if name in queries}:
            case.query = {**(case.query or {}), **named}
        if isinstance(case.body, dict):
            case.body = {**case.body, **body}
        return case

    return st.builds(about, known | known | known | nothing, generated(contract, id, mode))


def generated(contract: Contract, id: str, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests to an operation as its document describes them."""
    found: st.SearchStrategy[Case[Any]] = contract.schema.find_operation_by_id(id).as_strategy(generation_mode=mode)
    return found


def send(contract: Contract, id: str, *checks: Callable[..., Any]) -> Callable[[Case[Any]], None]:
    """Send a request, and compare the answer with the document."""
    answered = contract.answered.setdefault(id, Counter())

    def sent(case: Case[Any]) -> None:
        answer = case.call(session=contract.callers.get(id, contract.http), timeout=ANSWER_S)
        answered[answer.status_code] += 1
        case.validate_response(answer, checks=[*CHECKS, *checks])
        assert answer.status_code < 500 or answer.status_code == 503
        if answer.status_code >= 400 and case.method != "HEAD":
            assert answer.json()["request_id"] == answer.headers["x-request-id"][0]

    return sent


def run(count: int, strategy: st.SearchStrategy[Case[Any]], sent: Callable[[Case[Any]], None]) -> None:
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
    def each(case: Case[Any]) -> None:
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
        if operation.method == "OPTIONS":
            assert answer.status_code == 204
            continue
        if operation.callers == "none":
            assert (answer.status_code, answer.json()["code"]) == (422, "input_invalid")
            continue
        assert answer.status_code == 401
        assert operation.method == "HEAD" or answer.json()["code"] == "unauthenticated"
        assert answer.headers["WWW-Authenticate"]
