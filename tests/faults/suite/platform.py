"""A whole platform of processes whose every part a test may break: several of each service, agents, NATS and PostgreSQL. The
wires between services and NATS, and between agents and gateways, can be cut, held and read along."""

import asyncio
import contextlib
import os
import random
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import msgspec
from nats.aio.client import Client

from services.local.bootstrap import Credentials, bootstrap, keep_credentials
from services.local.home import Home
from services.provision import provision_all
from services.runtime import bus
from tests.faults.suite import handlers, journal
from tests.faults.suite.members import Member
from tests.faults.suite.observed import Process
from tests.faults.suite.shape import Shape
from tests.faults.suite.short_keep import keeping
from tests.faults.suite.wires import AgentWire, NatsWire, Wire
from tests.support.cluster import Cluster, running_cluster
from tests.support.own_ports import own_port
from tests.support.proxy import Proxy, proxy
from tests.support.servers import Servers, running_servers

ROOT = Path(__file__).resolve().parents[3]
READY_S = 60.0
SERVICES = ("gateway", "registry", "dispatcher", "history")


class Platform:
    """The platform of one run. `root` is the tree that its processes run from."""

    def __init__(self, servers: Servers, home: Home, shape: Shape, root: Path) -> None:
        self.servers, self.home, self.shape, self.root = servers, home, shape, root
        self.journal = home.path / "journal"
        self.members: dict[str, Member] = {}
        self.nats_wires: dict[str, NatsWire] = {}
        self.agent_wires: list[AgentWire] = []
        self.processes: list[Process] = []
        self.urls: list[str] = []
        self.credentials: Credentials | None = None
        self.operator: Client | None = None
        self.deaths: list[str] = []
        """Members that ended though nobody had touched them, with what they said last."""
        self._ports: dict[str, int] = {}
        self._taken: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._block = contextlib.AsyncExitStack()
        self._keeping: asyncio.Task[None] | None = None

    # Parts

    def of(self, kind: str) -> list[Member]:
        """The members of a kind: gateway, registry, dispatcher, history, agent."""
        return [member for member in self.members.values() if member.kind == kind]

    @property
    def cluster(self) -> Cluster:
        """The three NATS servers, where there are so many."""
        assert self.servers.cluster is not None, "there is one NATS server only"
        return self.servers.cluster

    @property
    def space(self) -> str:
        """The space that its agents serve."""
        assert self.credentials is not None
        return self.credentials.space

    @property
    def api_key(self) -> str:
        """A key to submit with."""
        assert self.credentials is not None
        return self.credentials.api_key

    # Victims: nobody else touches one meanwhile

    @contextlib.asynccontextmanager
    async def victim(self, kind: str, rng: random.Random) -> AsyncIterator[Member]:
        """A member of a kind that runs."""
        candidates = [member for member in self.of(kind) if not self._taken[member.name].locked()]
        member = rng.choice(candidates or self.of(kind))
        async with self._taken[member.name]:
            yield member

    @contextlib.asynccontextmanager
    async def wire(self, wires: Sequence[Wire], rng: random.Random) -> AsyncIterator[Proxy]:
        """The proxy of one of these wires."""
        wire = rng.choice(wires)
        async with self._taken[f"wire of {type(wire).__name__} {wire.name}"]:
            yield wire.proxy

    async def take(self, name: str) -> Callable[[], None]:
        """The member of that name, until what this returns is called."""
        await self._taken[name].acquire()
        return self._taken[name].release

    @contextlib.asynccontextmanager
    async def server(self, name: str) -> AsyncIterator[None]:
        """NATS or PostgreSQL."""
        async with self._taken[name]:
            yield

    # Its life

    async def start(self) -> None:
        """Start everything, and return when all of it is ready."""
        urls = {"nats_url": self.servers.nats_url("provisioner"), "database_url": self.servers.database_url}
        await provision_all(msgspec.structs.replace(self.servers.settings, **urls))
        self.operator = await bus.connect(self.servers.nats_url("operator"), "operator", "fault-suite")
        for kind in SERVICES:
            for number in range(1, self.shape.counts[kind] + 1):
                await self._add_service(kind, f"{kind}-{number}")
        self.credentials = keep_credentials(self.home, self.urls[0])
        await bootstrap(self.home, self.operator, self.credentials)
        for number, handler in enumerate(self.shape.agents, 1):
            self._add_agent(f"agent-{number}", handler)
        await self.ready()
        self._keeping = asyncio.create_task(self._keep_alive())

    async def close(self) -> None:
        """End everything, whatever state it is in."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        for member in self.members.values():
            member.kill()
        if self.operator is not None:
            await self.operator.close()
        await self._block.aclose()

    async def start_member(self, member: Member) -> None:
        """Start a member that is down, and wait until a service is ready."""
        member.start()
        if member.kind == "agent":
            self.processes.append(Process(member.name, member.pid, self.shape.slots, journal.now_ns()))
        else:
            await self.until(lambda: self._started(member), f"{member.name} is ready")

    async def _keep_alive(self) -> None:
        """Start again what ends by itself, as whoever runs the platform would."""
        while True:
            await asyncio.sleep(0.2)
            for member in self.members.values():
                if not self._taken[member.name].locked() and not member.running:
                    async with self._taken[member.name]:
                        self.deaths.append(f"{member.name}: {member.last_line()}")
                        self.ended(member)
                        await self.start_member(member)

    def kill(self, member: Member) -> None:
        """SIGKILL a member with its children."""
        member.kill()
        self.ended(member)

    def kill_connection_process(self, agent: Member) -> None:
        """SIGKILL the process of an agent that has its sockets, if there is one right now."""
        for child in agent.children()[:1]:
            os.kill(child, signal.SIGKILL)

    def ended(self, member: Member) -> None:
        """Note the end of an agent's process."""
        for process in self.processes:
            if process.pid == member.pid and not process.ended:
                process.ended = journal.now_ns()

    async def ready(self) -> None:
        """Wait until every service is ready."""
        for member in list(self.members.values()):
            if member.kind != "agent":
                await self.until(lambda name=member.name: self._answers(name), f"{member.name} is ready")  # type: ignore[misc]

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = READY_S) -> None:
        """Wait until the condition holds; fail with what every process said last when it does not in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s:g} s: {what}\n{self.last_words()}") from None

    def last_words(self) -> str:
        """The last lines of each log."""
        said = []
        for path in sorted(self.home.directory("logs").glob("*.log")):
            said += [f"{path.stem}: {line[:300]}" for line in path.read_text(errors="replace").splitlines()[-3:]]
        return "\n".join(said)

    async def _started(self, member: Member) -> bool:
        """Whether it is ready. One that found no NATS to begin with has ended, and is started again, as whoever runs the
        platform would."""
        if not member.running:
            member.start()
        return await self._answers(member.name)

    async def _answers(self, name: str) -> bool:
        try:
            async with httpx.AsyncClient(timeout=2.0) as http:
                return (await http.get(f"http://127.0.0.1:{self._ports[name]}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def _add_service(self, kind: str, name: str) -> None:
        port = self._ports[name] = own_port()
        settings = {"WS_NATS_URL": await self._way_to_nats(kind, name), "WS_STREAM_KEEP": "3600"}
        if kind == "gateway":
            settings["WS_PORT"] = str(port)
            self.urls.append(f"http://127.0.0.1:{port}")
            agents = AgentWire(name)
            agents.proxy = await self._block.enter_async_context(proxy(self.urls[-1], agents.watch))
            self.agent_wires.append(agents)
        else:
            settings["WS_HEALTH_PORT"] = str(port)
        if kind == "history":
            settings["WS_DATABASE_URL"] = self.servers.database_url
        module = f"services.{kind}.main"
        if self.shape.keep_s < 600:
            settings[keeping.KEEP] = str(self.shape.keep_s)
            module = f"tests.faults.suite.short_keep.{kind}"
        member = Member(kind, name, module, lambda: settings, root=self.root, log=self.home.log_file(name))
        self.members[name] = member
        member.start()

    async def _way_to_nats(self, kind: str, name: str) -> str:
        url = self.servers.nats_url(kind)
        if self.servers.cluster is not None:
            return url
        wire = self.nats_wires[name] = NatsWire(name)
        wire.proxy = await self._block.enter_async_context(proxy(url, wire.watch))
        return wire.through(url)

    def _add_agent(self, name: str, handler: str) -> None:
        assert self.credentials is not None
        urls = [wire.proxy.url for wire in self.agent_wires]
        arguments = ["run", "--space", self.space, "--slots", str(self.shape.slots), "--name", name, "--drain-s", "5"]
        arguments += ["--engine", f"python:tests.faults.suite.handlers:{handler}"]
        arguments += ["--state-dir", str(self.home.directory(name))]
        for url in urls:
            arguments += ["--url", url]
        settings = {
            "WS_AGENT_KEY": self.credentials.agent_key,
            journal.ENVIRONMENT: str(self.journal),
            handlers.AGENT: name,
        }
        log = self.home.log_file(name)
        member = Member("agent", name, "spaces_agent", lambda: settings, root=self.root, log=log, arguments=tuple(arguments))
        self.members[name] = member
        member.start()
        self.processes.append(Process(name, member.pid, self.shape.slots, journal.now_ns()))


@contextlib.asynccontextmanager
async def running_platform(
    shape: Shape | None = None, root: Path = ROOT, store: Path | None = None
) -> AsyncIterator[Platform]:
    """A platform that is ready, with NATS's data in `store`; at the end nothing of it is left."""
    shape = shape or Shape()
    async with _nats(shape) as cluster, running_servers(sync_interval="2m", store=store, cluster=cluster) as servers:
        home = servers.directory / "home"
        home.mkdir()
        here = Platform(servers, Home(home), shape, root)
        try:
            await here.start()
            yield here
        finally:
            if keep := os.environ.get("TEST_KEEP_LOGS"):
                await asyncio.to_thread(_copy_logs, home, Path(keep))
            await here.close()


@contextlib.asynccontextmanager
async def _nats(shape: Shape) -> AsyncIterator[Cluster | None]:
    """A cluster, if one is wanted."""
    if shape.nats_servers == 1:
        yield None
        return
    with contextlib.ExitStack() as block:
        cluster = await asyncio.to_thread(block.enter_context, running_cluster())
        try:
            yield cluster
        finally:
            await asyncio.to_thread(block.close)


def _copy_logs(home: Path, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for path in (home / "logs").glob("*.log"):
        (to / path.name).write_bytes(path.read_bytes())
