"""The NATS servers of deploy/k8s: would the real one start with what their pods are told, and how does it end?"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.local.nats_server import CONFIGS, USERS, NatsServer, find_nats_server
from services.runtime.bus import connect
from tests.support.health import fetched
from tests.support.own_ports import own_port
from tests.support.servers import Servers

K8S = CONFIGS.parent / "k8s"
REFERENCE = re.compile(r"\$\(([A-Z_]+)\)")
POD = "nats-0"


def made_secrets(*arguments: str) -> list[dict[str, Any]]:
    """What secrets.sh prints."""
    done = subprocess.run([K8S / "secrets.sh", *arguments], capture_output=True, text=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def passwords() -> dict[str, str]:
    found = next(each for each in made_secrets("prod", "ada@example.org") if each["metadata"]["name"] == "nats-passwords")
    values: dict[str, str] = found["stringData"]
    return values


def container(manifest: str) -> dict[str, Any]:
    (found,) = yaml.safe_load((K8S / manifest).read_text())["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def told(*manifests: str) -> dict[str, str]:
    """The environment of the container, as Kubernetes makes it."""
    secret = passwords()
    environment = dict(secret)
    for each in (each for manifest in manifests for each in container(manifest)["env"]):
        source = each.get("valueFrom", {})
        value = POD if "fieldRef" in source else secret[source["secretKeyRef"]["key"]] if source else each["value"]
        environment[each["name"]] = REFERENCE.sub(lambda match: environment[match[1]], value)
    return environment


@pytest.mark.parametrize(
    "manifests", [["base/nats/statefulset.yaml"], ["base/nats/statefulset.yaml", "overlays/prod/nats/cluster.yaml"]]
)
def test_the_server_takes_what_its_pod_is_told(manifests: list[str]) -> None:
    program, option, config = container(manifests[-1])["command"]
    assert (program, option, Path(config).parent) == ("nats-server", "-c", Path("/etc/nats"))
    command = [find_nats_server(), "-t", option, CONFIGS / Path(config).name]
    done = subprocess.run(command, env=told(*manifests), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_passwords_are_new_each_time_and_those_of_all_users() -> None:
    first, second = passwords(), passwords()
    assert set(first) == {f"WS_NATS_{user.upper()}_PASSWORD" for user in (*USERS, "routes")}
    assert len(set(first.values()) | set(second.values())) == 2 * len(first)
    # The server takes what begins with a digit for a number; the rest stands in URLs.
    assert all(re.fullmatch("[a-z][0-9a-f]{32,}", value) for value in first.values())


def test_made_secrets_are_those_of_the_examples() -> None:
    def keys(secrets: list[dict[str, Any]]) -> dict[str, set[str]]:
        return {each["metadata"]["name"]: set(each["stringData"]) for each in secrets}

    examples = keys(list(yaml.safe_load_all((K8S / "overlays/prod/secrets.example.yaml").read_text())))
    assert keys(made_secrets("prod", "ada@example.org")).items() <= examples.items()
    assert set(examples) - {"backup-credentials"} == set(keys(made_secrets("prod", "ada@example.org")))


def test_the_secrets_of_dev_are_made_once_and_are_those_of_its_examples(tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s", ignore=shutil.ignore_patterns("secrets"))

    def made() -> dict[str, str]:
        subprocess.run([tmp_path / "k8s/secrets.sh", "dev"], check=True, capture_output=True)
        return {each.name: each.read_text() for each in (tmp_path / "k8s/overlays/dev/secrets").iterdir()}

    def keys(files: dict[str, str]) -> dict[str, list[str]]:
        return {name: [line.partition("=")[0] for line in text.splitlines()] for name, text in files.items()}

    first = made()
    assert made() == first
    assert keys(first) == keys({each.name: each.read_text() for each in (K8S / "overlays/dev/secrets.example").iterdir()})
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "k8s/overlays/dev/secrets").iterdir()} == {0}


async def test_the_probes_ask_what_the_server_answers(tmp_path: Path) -> None:
    monitor = own_port()
    server = NatsServer(tmp_path / "nats", own_port(), dict.fromkeys(USERS, "p"), tmp_path / "log", monitor_port=monitor)
    await asyncio.to_thread(server.start)
    try:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container("base/nats/statefulset.yaml")[probe]["httpGet"]
            assert asked["port"] == "monitor"
            status, body = await asyncio.to_thread(fetched, f"http://127.0.0.1:{monitor}{asked['path']}")
            assert (status, json.loads(body)) == (200, {"status": "ok"}), probe
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_server_that_is_to_go_lets_its_clients_go_first_whatever_sigterm_says() -> None:
    """The preStop hook returns at once, and SIGTERM follows: the server leaves that until its clients have gone."""
    program, option, action = container("base/nats/statefulset.yaml")["lifecycle"]["preStop"]["exec"]["command"]
    assert (program, option, action) == ("nats-server", "--signal", "ldm=1")
    with Servers(postgres=False) as servers:
        told_to_go = asyncio.Event()
        nc = await connect(servers.nats_url("operator"), "operator", "test")

        async def leaving() -> None:
            told_to_go.set()

        nc._lame_duck_mode_cb = leaving
        server = servers.server
        subprocess.run([find_nats_server(), option, f"ldm={server.pid}"], check=True)
        # On a busy machine both signals could come before the server does anything about the first.
        await asyncio.wait_for(told_to_go.wait(), 30)
        os.kill(server.pid, signal.SIGTERM)
        # One that heeds SIGTERM is gone after a few of these; this one begins to send its clients away after 10 s.
        enough = time.monotonic() + 3
        while time.monotonic() < enough:
            await nc.flush(30)
        assert nc.is_connected
        assert server.poll() is None
        await nc.close()
        gone = time.monotonic() + 60
        while server.poll() is None:
            assert time.monotonic() < gone, "it does not end without clients"
            await asyncio.sleep(0.1)
