"""The embedded stack: which processes there are, how they find each other, in which order they start and stop."""

import asyncio
import contextlib
import functools
import itertools
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from nats.aio.client import Client

from services.local.addresses import gateway_ports, reachable_host, url_of
from services.local.bootstrap import Credentials, bootstrap, keep_credentials
from services.local.database import database_server
from services.local.errors import PortInUse, ServerFailed
from services.local.home import Home, write_json
from services.local.nats_server import NatsServer
from services.local.observer import Observer
from services.local.postgres import PostgresServer
from services.local.program import Program, answers_ready
from services.local.servers import nats_servers, url_at
from services.local.supervise import Exits, Server, Supervisor
from services.local.targets import Targets
from services.provision import provision_all
from services.runtime.bus import connect
from services.runtime.settings import Settings

KINDS = ("agent", "gateway", "dispatcher", "registry", "history", "postgres", "nats")
"""In the order in which they stop: first whoever brings work, at last what all depend on."""
LOOPBACK = "127.0.0.1"
DEMO_SLOTS = 4
_AGENT_TIMEOUT_S = 30.0
_PORT_TRIES = 10
_THREADS = 32

NOTHING: Mapping[str, str] = {}
OnChange = Callable[[Supervisor, str], None]
_ONLY: Mapping[str, str] = {
    **dict.fromkeys(("WS_ADMIN_EMAIL", "WS_ADMIN_PASSWORD"), "registry"),
    **dict.fromkeys(("WS_SECRET_KEY", "WS_PUBLIC_URL", "WS_TRUSTED_PROXIES"), "gateway"),
}
"""Settings that only one kind of service is told."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `spaces up` was asked for. `port` 0: any."""

    home: Path
    host: str = LOOPBACK
    port: int = 5001
    public_url: str = ""
    """Under which URL people and agents elsewhere know the gateways; empty: there is none."""
    gateways: int = 1
    dispatchers: int = 1
    registries: int = 1
    histories: int = 1
    demo: bool = True
    nats_servers: int | None = None
    """One, or three that replicate everything; None: as many as the home has, one in a fresh one."""
    nats_sync: str = "always"
    """How often NATS's writes reach the disk; "always": before they are acknowledged."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What `spaces up --json` prints. `url` is for programs on this machine, `public_url` for all others; empty: there is
    none."""

    url: str
    urls: list[str]
    public_url: str
    api_key: str
    agent_key: str
    admin: dict[str, str]
    space: str
    nats_url: str
    database_url: str
    pids: dict[str, list[int]]


class Stack:
    """One stack in a home that the caller has locked. `settings` are those that the services get as they are."""

    def __init__(self, home: Home, options: Options, settings: Mapping[str, str], exits: Exits, on_change: OnChange) -> None:
        self._home, self._options, self._settings, self._exits = home, options, settings, exits
        self._on_change = on_change
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="child")
        self._supervisors: dict[str, list[Supervisor]] = {kind: [] for kind in KINDS}
        self._pids: dict[str, list[int]] = {}
        self._operator: Client | None = None
        self._agents_changed = asyncio.Event()
        self.observer = Observer(self._agents_changed.set)
        home.require_whole()
        self._find_ports()
        self._targets = Targets(home.path)
        self._nats = nats_servers(home, home.nats_servers(options.nats_servers), self._port, options.nats_sync)
        self._postgres = database_server(home, self._port("postgres"))

    async def start(self) -> Ready:
        """Start everything and return when it works. Raises LocalError, SpacesError."""
        self._keep_credentials()
        await asyncio.gather(self._start_nats(), self._start_server("postgres", self._postgres))
        await provision_all(self._provisioner_settings())
        self._operator = await connect(url_at(self._nats, "operator"), "operator", "spaces-up")
        await self.observer.listen(self._operator)
        self._find_ports()  # once more: until now it has taken so long that one may have been taken
        credentials = self._keep_credentials()
        await asyncio.gather(
            *self._start_services("history", self._options.histories, {"WS_DATABASE_URL": self._postgres.url}),
            self._start_registries(self._operator, credentials),
            *self._start_services("dispatcher", self._options.dispatchers),
            *(self._start_gateway(number, port) for number, port in enumerate(self.ports, 1)),
        )
        if self._options.demo:
            await self._start_agent(credentials)
        return Ready(
            url=self.urls[0],
            urls=self.urls,
            public_url=self._options.public_url,
            api_key=credentials.api_key,
            agent_key=credentials.agent_key,
            admin=msgspec.to_builtins(credentials.admin),
            space=credentials.space,
            nats_url=url_at(self._nats, "operator"),
            database_url=self._postgres.url,
            pids=self.pids(),
        )

    def check(self) -> None:
        """Raises what has ended the supervision of some process, which must not happen."""
        for supervisor in itertools.chain.from_iterable(self._supervisors.values()):
            supervisor.check()

    async def stop(self) -> None:
        """Stop everything in order, also while it is starting. Bounded by the children's own bounds."""
        for supervisor in itertools.chain.from_iterable(self._supervisors.values()):
            supervisor.let_go()
        if self._operator is not None:
            await self._operator.close()
        for together in (*((kind,) for kind in KINDS[:-2]), KINDS[-2:]):
            supervisors = itertools.chain.from_iterable(self._supervisors[kind] for kind in together)
            await asyncio.gather(*(supervisor.stop() for supervisor in supervisors))
        self._threads.shutdown()

    def pids(self) -> dict[str, list[int]]:
        """The processes that run now, by kind."""
        return {
            kind: [supervisor.pid for supervisor in self._supervisors[kind] if supervisor.pid is not None]
            for kind in reversed(KINDS)
        }

    def _find_ports(self) -> None:
        options = self._options
        self.ports = gateway_ports(self._home, options.host, options.port, options.gateways)
        self.urls = [url_of(options.host, port) for port in self.ports]

    def _port(self, name: str) -> int:
        """The port of an internal server. A gateway that does not listen yet must find its own free."""
        return self._home.port(name, avoid=self.ports)

    def _keep_credentials(self) -> Credentials:
        return keep_credentials(self._home, self.urls[0], self._options.public_url)

    async def _start_nats(self) -> None:
        if len(self._nats) == 1:
            await self._start_server("nats", self._nats[0])
        else:  # all of them must know each other's ports before the first one starts
            await asyncio.gather(*(self._keep("nats", f"nats-{n}", server) for n, server in enumerate(self._nats, 1)))

    async def _start_server(self, kind: str, server: NatsServer | PostgresServer) -> None:
        """Start nats-server or PostgreSQL; whatever else starts later is told its port."""
        for tries_left in reversed(range(_PORT_TRIES)):
            try:
                await self._keep(kind, f"{kind}-1", server)
            except PortInUse:
                # Somebody took it at the last moment.
                if tries_left == 0:
                    raise
                self._supervisors[kind].clear()
                server.port = self._port(kind)
            else:
                return

    async def _start_registries(self, operator: Client, credentials: Credentials) -> None:
        await asyncio.gather(*self._start_services("registry", self._options.registries))
        await bootstrap(self._home, operator, credentials)

    def _start_services(self, kind: str, count: int, more: Mapping[str, str] = NOTHING) -> list[Coroutine[Any, Any, None]]:
        return [self._start_service(kind, number, more) for number in range(1, count + 1)]

    async def _start_service(self, kind: str, number: int, more: Mapping[str, str] = NOTHING) -> None:
        """Start a service without users of its own: its port, for health, may be another at the next start."""
        name = f"{kind}-{number}"
        chosen = [0]

        def settings() -> Mapping[str, str]:
            chosen[0] = self._port(name)
            self._targets.put(kind, name, LOOPBACK, chosen[0])
            return {**self._service_settings(kind), "WS_HEALTH_PORT": str(chosen[0]), **more}

        await self._keep(kind, name, self._program(kind, name, settings), lambda: answers_ready(LOOPBACK, chosen[0]))

    async def _start_gateway(self, number: int, port: int) -> None:
        host = self._options.host
        own = {"WS_HOST": host, "WS_PORT": str(port)}
        settings = {"WS_SECRET_KEY": self._home.secret("links")} | self._service_settings("gateway") | own
        program = self._program("gateway", f"gateway-{number}", lambda: settings)
        self._targets.put("gateway", program.name, reachable_host(host), port)
        await self._keep("gateway", program.name, program, functools.partial(answers_ready, reachable_host(host), port))

    async def count_requests(self) -> None:
        """Let the observer count requests from now on."""
        assert self._operator is not None
        await self.observer.listen_to_requests(self._operator)

    async def _start_agent(self, credentials: Credentials) -> None:
        """Start the demo agent and wait until some gateway reports an agent."""
        arguments = ["run", "--engine", "echo", "--space", credentials.space, "--slots", str(DEMO_SLOTS)]
        arguments += ["--state-dir", str(self._home.directory("agent"))]
        for url in self.urls:
            arguments += ["--url", url]

        def settings() -> Mapping[str, str]:
            port = self._port("agent-1")
            self._targets.put("agent", "agent-1", LOOPBACK, port)
            return {"WS_AGENT_KEY": credentials.agent_key, "WS_AGENT_METRICS_PORT": str(port)}

        program = Program(self._home, "agent-1", "spaces_agent", settings, arguments=tuple(arguments))
        await self._keep("agent", program.name, program)
        try:
            async with asyncio.timeout(_AGENT_TIMEOUT_S):
                while self.observer.agents == 0:
                    self._agents_changed.clear()
                    await self._agents_changed.wait()
        except TimeoutError as error:
            raise ServerFailed(program.name, f"it did not connect: {program.last_words()}", program.log) from error

    async def _keep(self, kind: str, name: str, server: Server, answers_ready: Callable[[], bool] | None = None) -> None:
        supervisor = Supervisor(name, server, self._exits, self._threads, self._changed, answers_ready)
        self._supervisors[kind].append(supervisor)
        await supervisor.start()

    def _program(self, kind: str, name: str, settings: Callable[[], Mapping[str, str]]) -> Program:
        return Program(self._home, name, f"services.{kind}.main", settings)

    def _service_settings(self, kind: str) -> dict[str, str]:
        settings = {name: value for name, value in self._settings.items() if _ONLY.get(name, kind) == kind}
        return {**settings, "WS_NATS_URL": url_at(self._nats, kind)}

    def _provisioner_settings(self) -> Settings:
        chosen = {
            "WS_NATS_URL": url_at(self._nats, "provisioner"),
            "WS_DATABASE_URL": self._postgres.url,
            "WS_REPLICAS": str(len(self._nats)),
        }
        return msgspec.convert({**self._settings, **chosen}, Settings, strict=False)

    def _changed(self, supervisor: Supervisor, detail: str) -> None:
        if (pids := self.pids()) != self._pids:
            self._pids = pids
            with contextlib.suppress(OSError):  # on a full disk the processes are kept alive all the same
                write_json(self._home.path / "pids.json", pids)
        self._on_change(supervisor, detail)
