"""The images, built and run: agent, gateway, registry, dispatcher and history each a container without any right, on a root
that cannot be written."""

import asyncio
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from services.local.bootstrap import Credentials
from tests.support.images import AGENT, BASE, SERVICE, USER, ContainerStack, build, build_flags, states
from tests.support.own_ports import own_port
from tests.support.podman import Podman, podman
from tests.support.stack import ROOT, eventually

pytestmark = pytest.mark.timeout(900)
HANDLERS = ROOT / "tests" / "e2e" / "handlers.py"
PICTURES = "localhost/pictures:test"
FOUND = """
import json, os, shutil, sys
names = [os.path.join(directory, name) for directory, _, files in os.walk("/opt") for name in files]
print(json.dumps({
    "programs": [name for name in %r if shutil.which(name)],
    "pip": [path for path in sys.path if os.path.isdir(os.path.join(path, "pip"))],
    "sources": [name for name in names if "/tests/" in name and "/site-packages/tests/" in name],
    "user": os.getuid(),
    "writable": [path for path in ("/", "/opt/spaces", "/tmp", "/handler", "/etc") if os.access(path, os.W_OK)],
}))
"""
TOOLS = ("pip", "pip3", "cc", "gcc", "make", "git", "curl", "wget")


@pytest.fixture(scope="module")
def built() -> Iterator[Podman]:
    with podman() as here:
        build(here)
        yield here


@pytest.fixture(scope="module")
def stack(built: Podman) -> Iterator[ContainerStack]:
    with ContainerStack(built) as stack:
        yield stack


@pytest.fixture(scope="module")
def credentials(stack: ContainerStack) -> Credentials:
    return asyncio.run(stack.credentials())


@pytest.fixture
def shared(stack: ContainerStack) -> Iterator[Path]:
    """A directory that handlers and the test write to."""
    directory = stack.servers.directory / "shared"
    directory.mkdir()
    directory.chmod(0o777)
    yield directory
    shutil.rmtree(directory)


def marked(shared: Path) -> tuple[str, ...]:
    """Options of a container in which the handler `marked` waits for a file in the shared directory."""
    return ("--volume", f"{HANDLERS}:/handler/handlers.py:ro", "--volume", f"{shared}:/shared")


MARKED = ("--engine", "python:handlers:marked")


def submitted(client: httpx.Client, credentials: Credentials, input: dict[str, Any], wait: int = 0) -> dict[str, Any]:
    headers = {"Prefer": f"wait={wait}"} if wait else {}
    response = client.post(f"/v1/spaces/{credentials.space}/requests", json={"input": input}, headers=headers)
    assert response.is_success, response.text
    request: dict[str, Any] = response.json()
    return request


def started(client: httpx.Client, credentials: Credentials, shared: Path) -> str:
    """A request that an agent runs now."""
    rid: str = submitted(client, credentials, {"directory": "/shared"})["id"]
    eventually((shared / "started-1").exists, "the handler runs")
    return rid


def ended(client: httpx.Client, rid: str) -> dict[str, Any]:
    """The request, once it has ended."""

    def done() -> dict[str, Any] | None:
        request: dict[str, Any] = client.get(f"/v1/requests/{rid}").json()
        return request if request["done"] else None

    return eventually(done, "the request has ended")


@pytest.mark.parametrize("image", [AGENT, SERVICE])
def test_an_image_holds_what_it_needs_and_nothing_else(built: Podman, image: str) -> None:
    config = json.loads(built.command("image", "inspect", image))[0]
    assert config["Config"]["User"] == f"{USER}:{USER}"
    assert config["Config"]["Entrypoint"][0].startswith("/opt/spaces/bin/")
    assert {"PYTHONUNBUFFERED=1"} <= set(config["Config"]["Env"])
    labels = config["Config"]["Labels"]
    assert {f"org.opencontainers.image.{name}" for name in ("title", "description", "version", "revision")} <= set(labels)
    assert all(labels.values())
    look = ("--entrypoint", "/opt/spaces/bin/python")
    found = json.loads(built.once(image, "-c", FOUND % (TOOLS,), options=look))
    assert found == {"programs": [], "pip": [], "sources": [], "user": USER, "writable": []}
    whole, base = (json.loads(built.command("image", "inspect", each))[0]["Size"] for each in (image, BASE))
    print(f"{image}: {whole / 1e6:.0f} MB, {(whole - base) / 1e6:.0f} MB of them on top of the base")


def test_the_agents_image_has_nothing_of_the_services(built: Podman) -> None:
    look = ("--entrypoint", "/opt/spaces/bin/python")
    code = "import importlib.util as u; print([n for n in ('services', 'asyncpg', 'nats', 'fastapi') if u.find_spec(n)])"
    assert built.once(AGENT, "-c", code, options=look).strip() == "[]"


def test_no_secret_and_no_data_get_into_the_build(built: Podman, tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text(f"FROM {BASE}\nCOPY . /context\n")
    built.command("build", "--quiet", "--tag", "context", "--file", str(tmp_path / "Containerfile"), str(ROOT))
    found = built.once("context", "sh", "-c", "cd /context && ls -A && find . -name '*.pyc' -o -name '*.key'").split()
    assert set(found) == {"agent", "client", "services", "requirements", "pyproject.toml", "README.md"}


def test_a_service_ends_at_once_while_it_still_looks_for_nats(built: Podman) -> None:
    env = {"WS_NATS_URL": f"nats://gateway:x@127.0.0.1:{own_port()}"}
    with built.container("early", SERVICE, "gateway", env=env) as container:
        eventually(container.running, "it runs")
        container.terminate()
        assert container.wait() in (143, 1), container.logs()


def test_the_image_says_what_is_wrong_with_a_setting(built: Podman) -> None:
    with built.container("wrong", SERVICE, "gateway", env={"WS_PROT": "1"}) as container:
        assert container.wait() == 1
        assert "unknown setting WS_PROT" in container.logs()


def test_provision_says_what_it_has_made(stack: ContainerStack) -> None:
    assert "made REQUESTS" in stack.provisioned


def test_a_handler_on_top_of_the_agents_image_serves_requests_that_are_recorded(
    stack: ContainerStack, credentials: Credentials
) -> None:
    arguments = ["--build-arg", f"BASE={BASE}", "--build-arg", f"AGENT={AGENT}", "--tag", PICTURES]
    stack.podman.command("build", "--quiet", *build_flags(), *arguments, "examples/images")
    file = io.BytesIO()
    Image.new("RGB", (640, 480), "red").save(file, "PNG")
    with (
        stack.gateway() as gateway,
        stack.agent(credentials, PICTURES, "--engine", "python:handler:smaller"),
        stack.client(credentials) as client,
    ):
        headers = {"Content-Type": "image/png"}
        stored = client.post(f"/v1/files?space={credentials.space}", content=file.getvalue(), headers=headers)
        assert stored.status_code == 201, stored.text
        done = submitted(client, credentials, {"file": stored.json()["urls"]["self"], "width": 64}, wait=30)
        assert (done["status"], done["error"]) == ("succeeded", None)
        assert (done["output"]["width"], done["output"]["height"]) == (64, 48)
        recorded = [each["type"] for each in client.get(f"/v1/requests/{done['id']}/log").json()["results"]]
        assert recorded == ["accepted", "assigned", "succeeded"]
        assert (
            stack.podman.command("exec", gateway.name, "/opt/spaces/bin/python", "-m", "services", "probe", str(stack.port))
            == ""
        )


def test_a_gateway_that_is_told_to_end_loses_no_request(
    stack: ContainerStack, credentials: Credentials, shared: Path
) -> None:
    with (
        stack.gateway() as first,
        stack.agent(credentials, AGENT, *MARKED, options=marked(shared)),
        stack.client(credentials) as client,
    ):
        rid = started(client, credentials, shared)
        first.terminate()
        assert first.wait() == 0, first.logs()
        with stack.gateway():
            (shared / "go").touch()
            request = ended(client, rid)
    assert (request["status"], request["output"]["attempt"]) == ("succeeded", 1)


def test_an_agent_that_is_told_to_end_finishes_what_it_runs(
    stack: ContainerStack, credentials: Credentials, shared: Path
) -> None:
    with (
        stack.gateway(),
        stack.agent(credentials, AGENT, *MARKED, options=marked(shared)) as agent,
        stack.client(credentials) as client,
    ):
        rid = started(client, credentials, shared)
        agent.terminate()
        eventually(lambda: states(client) == ["draining"], "it says that it takes no more")
        (shared / "go").touch()
        assert agent.wait() == 0, agent.logs()
        request = ended(client, rid)
    assert (request["status"], request["output"]["attempt"]) == ("succeeded", 1)
