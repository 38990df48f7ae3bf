"""Both images, built once on a base that this machine makes, and the services of one stack as containers of them."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx

from services.local.bootstrap import Credentials, bootstrap, keep_credentials
from services.local.home import Home
from tests.support.own_ports import own_port
from tests.support.podman import Container, Podman
from tests.support.servers import Servers
from tests.support.stack import eventually

BASE, TAG = "localhost/spaces-base:test", "test"
SERVICE, AGENT = f"localhost/spaces-service:{TAG}", f"localhost/spaces-agent:{TAG}"
USER = 10001
PIP = Path("/etc/pip.conf")


def build_flags() -> list[str]:
    """Packages come the way that this machine gets them, over its own network."""
    return ["--network", "host", *(["--secret", f"id=pip.conf,src={PIP}"] if PIP.exists() else [])]


def build(podman: Podman) -> None:
    """Both images, as `make images` builds them."""
    podman.program("tests/support/debian-base.sh", BASE)
    podman.program("deploy/images/build.sh", ENGINE="podman", BASE=BASE, TAG=TAG, BUILD_FLAGS=" ".join(build_flags()))


class ContainerStack:
    """NATS and PostgreSQL on this machine's loopback, all else in containers. Use it as a context manager."""

    def __init__(self, podman: Podman) -> None:
        self.podman = podman
        self.port = own_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.provisioned = ""
        """What `provision` has printed."""
        self._stack = contextlib.ExitStack()
        self._health = {service: own_port() for service in ("history", "registry", "dispatcher")}
        self._gateways = 0

    def __enter__(self) -> "ContainerStack":
        with contextlib.ExitStack() as stack:
            self.servers = stack.enter_context(Servers())
            self.secrets = self.servers.directory / "secrets"
            self.secrets.mkdir()
            for name in ("provisioner", "history", "registry", "dispatcher", "gateway"):
                self._secret(f"{name}-nats", self.servers.nats_url(name))
            self._secret("database", self.servers.database_url)
            self._secret("links", secrets.token_hex(20))
            options = self._mounts("provisioner", database=True)
            self.provisioned = self.podman.once(SERVICE, "provision", options=options)
            for service, port in self._health.items():
                stack.enter_context(self._service(service, {"WS_HEALTH_PORT": str(port)}))
            for port in self._health.values():
                ready(port)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @contextlib.contextmanager
    def gateway(self) -> Iterator[Container]:
        """A gateway, ready, until the block ends; one after the other on the same port."""
        self._gateways += 1
        name = f"gateway-{self._gateways}"
        env = {"WS_PORT": str(self.port), "WS_SECRET_KEY_FILE": "/run/secrets/links"}
        with self._service(
            "gateway", env, name, ("--volume", f"{self.secrets / 'links'}:/run/secrets/links:ro")
        ) as container:
            ready(self.port)
            yield container

    @contextlib.contextmanager
    def agent(
        self, credentials: Credentials, image: str, *arguments: str, options: tuple[str, ...] = ()
    ) -> Iterator[Container]:
        """An agent of the space, connected, until the block ends."""
        self._secret("agent-key", credentials.agent_key)
        mounts = ("--volume", f"{self.secrets / 'agent-key'}:/run/secrets/agent-key:ro", "--volume", "/state")
        words = ["run", "--url", self.url, "--space", credentials.space, "--key-file", "/run/secrets/agent-key"]
        with self.podman.container("agent", image, *words, *arguments, options=(*mounts, *options)) as container:
            with self.client(credentials) as client:
                eventually(lambda: states(client) == ["ready"], "the agent is ready")
            yield container

    def client(self, credentials: Credentials) -> httpx.Client:
        """An HTTP client with the first key."""
        headers = {"Authorization": f"Bearer {credentials.api_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=70.0)

    async def credentials(self) -> Credentials:
        """An administrator, a space and keys, as a fresh home is given them."""
        home = Home(self.servers.directory / "home")
        home.path.mkdir()
        made = keep_credentials(home, self.url)
        operator = await self.servers.connect("operator")
        try:
            await bootstrap(home, operator, made)
        finally:
            await operator.close()
        return made

    def _service(
        self, service: str, env: dict[str, str], name: str = "", options: tuple[str, ...] = ()
    ) -> contextlib.AbstractContextManager[Container]:
        mounts = self._mounts(service, database=service == "history")
        return self.podman.container(name or service, SERVICE, service, options=(*mounts, *options), env=env)

    def _mounts(self, service: str, *, database: bool) -> tuple[str, ...]:
        """The secrets of a service, and where it is told to find them."""
        own = {"WS_NATS_URL": f"{service}-nats"} | ({"WS_DATABASE_URL": "database"} if database else {})
        return tuple(
            word
            for variable, file in own.items()
            for word in (
                *("--volume", f"{self.secrets / file}:/run/secrets/{file}:ro"),
                *("--env", f"{variable}_FILE=/run/secrets/{file}"),
            )
        )

    def _secret(self, name: str, value: str) -> None:
        """A file that the containers' user alone may read."""
        path = self.secrets / name
        path.write_text(value + "\n")
        path.chmod(0o400)
        os.chown(path, USER, USER)


def ready(port: int) -> None:
    """Wait until a service on this machine is ready."""

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    eventually(answers, f"the service at port {port} is ready")


def states(client: httpx.Client) -> list[str]:
    """What the agents that are connected say of themselves."""
    return [agent["state"] for agent in client.get("/v1/agents").json()["results"]]
