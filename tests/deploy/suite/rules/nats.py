"""NATS: its configuration, and what the code makes in it."""

import re
from collections.abc import Iterator
from itertools import pairwise

from services.contracts import subjects
from services.runtime.settings import Settings
from tests.deploy.suite import code
from tests.deploy.suite.environment import arguments, environment
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import Object, Stack, name_of, pods_of
from tests.deploy.suite.quantities import number

_VARIABLE = re.compile(r"\$(WS_NATS_[A-Z0-9_]+)")
_INCLUDE = re.compile(r'^\s*include\s+"([^"]+)"', re.MULTILINE)
_QUOTED = re.compile(r'"([^"\s]+)"')
_USER = re.compile(r"^\s*user:\s*(\w+)", re.MULTILINE)
_VERBS = {
    *("INFO", "LIST", "NAMES", "CREATE", "UPDATE", "DELETE", "PURGE", "MSG", "GET", "NEXT", "DURABLE"),
    *("LEADER", "STEPDOWN", "ACCOUNT", "*", ">"),
}
_BUCKET = re.compile(r"^\$(KV|O)\.(\w+)\.")
SHARE = 0.8
"""Of the disk that streams with a limit may fill: those without one, indexes and writing anew need the rest."""


def _servers(stack: Stack) -> Iterator[tuple[Object, Object]]:
    for workload in stack.workloads:
        for container in pods_of(workload).containers:
            if "nats-server" in (container.get("command") or container.get("args") or []):
                yield workload, container


def _configuration(stack: Stack, workload: Object, container: Object) -> str | None:
    """The configuration that a server reads, with what it includes and without comments; None when there is none."""
    words = arguments(stack, container)
    path = next((after for word, after in pairwise(words) if word in ("-c", "--config")), "")
    directory, _, file = path.rpartition("/")
    volume = next((each["name"] for each in container.get("volumeMounts") or [] if each["mountPath"] == directory), None)
    for each in pods_of(workload).spec.get("volumes") or []:
        if each["name"] == volume and "configMap" in each:
            return _whole(stack.config_maps.get(each["configMap"]["name"], {}), file)
    return None


def _whole(files: dict[str, str], name: str) -> str | None:
    if name not in files:
        return None
    text = re.sub(r"^\s*#.*$", "", files[name], flags=re.MULTILINE)
    return text + "".join(_whole(files, each) or "" for each in _INCLUDE.findall(text))


def configurations_exist(stack: Stack) -> Iterator[Problem]:
    for workload, container in _servers(stack):
        if _configuration(stack, workload, container) is None:
            yield workload, "its configuration file is in no ConfigMap that it mounts"


def variables_are_set(stack: Stack) -> Iterator[Problem]:
    for workload, container in _servers(stack):
        used = set(_VARIABLE.findall(_configuration(stack, workload, container) or ""))
        for name in sorted(used - set(environment(stack, container))):
            yield workload, f"its configuration reads {name}, which is set nowhere"
        for each in container.get("env") or []:
            if each["name"].startswith("WS_NATS_") and each["name"] not in used:
                yield workload, f"its configuration does not read {each['name']}"


def writes_are_synced(stack: Stack) -> Iterator[Problem]:
    for workload, container in _servers(stack):
        if environment(stack, container).get("WS_NATS_SYNC_INTERVAL") != "always":
            yield workload, "what it acknowledges may not be on disk: WS_NATS_SYNC_INTERVAL is not `always`"


def _provisioned(stack: Stack) -> Iterator[tuple[Object, Settings]]:
    for owner, container in stack.containers:
        settings = code.settings_of(environment(stack, container))
        if code.service_of(container) == code.PROVISIONER and not isinstance(settings, str):
            yield owner, settings


def replicas_fit_servers(stack: Stack) -> Iterator[Problem]:
    for owner, settings in _provisioned(stack):
        for workload, _ in _servers(stack):
            count = workload["spec"].get("replicas", 1)
            if settings.replicas != (3 if count >= 3 else 1):
                yield owner, f"WS_REPLICAS is {settings.replicas}, and there are {count} NATS servers"


def routes_name_the_servers(stack: Stack) -> Iterator[Problem]:
    for workload, container in _servers(stack):
        count, service = workload["spec"].get("replicas", 1), workload["spec"].get("serviceName")
        given = environment(stack, container)
        routes = [value for name, value in sorted(given.items()) if re.fullmatch(r"WS_NATS_ROUTE_\d", name)]
        hosts = [route.rpartition("@")[2].partition(":")[0] for route in routes]
        wanted = [f"{name_of(workload)}-{number}.{service}" for number in range(count)] if count > 1 else []
        if hosts != wanted:
            yield workload, f"its routes lead to {hosts}, and the servers are {wanted}"


def permissions_name_what_there_is(stack: Stack) -> Iterator[Problem]:
    known = set(code.declared(Settings()))
    prefixes = _prefixes()
    for workload, container in _servers(stack):
        quoted = _QUOTED.findall(_configuration(stack, workload, container) or "")
        named = {name for each in quoted if (name := _stream_of(each))}
        named |= {f"{'KV' if found[1] == 'KV' else 'OBJ'}_{found[2]}" for each in quoted if (found := _BUCKET.match(each))}
        for name in sorted(named - known):
            yield workload, f"permissions name the stream {name}, which the code does not make"
        for name in sorted(known - named):
            yield workload, f"no permission names the stream {name}"
        for each in sorted(
            {each for each in quoted if each.startswith("ws.") and tuple(each.split(".")[:2]) not in prefixes}
        ):
            yield workload, f"permissions name the subject {each}, which the code does not use"


def _stream_of(subject: str) -> str | None:
    """The stream that a subject of JetStream's API is about; None when about none, or all."""
    tokens = subject.split(".")
    if tokens[:2] != ["$JS", "API"]:
        return None
    return next((each for each in tokens[3:] if each not in _VERBS), None)


def _prefixes() -> set[tuple[str, ...]]:
    used = [
        *(
            subjects.ALL_REQUESTS,
            subjects.ALL_CONNECTIONS,
            subjects.ALL_DIRECTORY,
            subjects.ALL_OUTPUT,
            subjects.ALL_REPORTS,
        ),
        *(subjects.ALL_FOR_PEOPLE, subjects.FENCE, subjects.control("any"), subjects.registry_rpc("any")),
    ]
    return {tuple(each.split(".")[:2]) for each in used}


def every_service_is_a_user(stack: Stack) -> Iterator[Problem]:
    for workload, container in _servers(stack):
        users = set(_USER.findall(_configuration(stack, workload, container) or ""))
        for user in sorted(set(code.NATS_USER_OF.values()) - users):
            yield workload, f"its configuration has no user {user}"


def streams_fit_the_disk(stack: Stack) -> Iterator[Problem]:
    for owner, settings in _provisioned(stack):
        full = sum(max(config.get("max_bytes", 0), 0) for config in code.declared(settings).values())
        for workload, container in _servers(stack):
            for claim in workload["spec"].get("volumeClaimTemplates") or []:
                size = number(claim["spec"]["resources"]["requests"]["storage"])
                if full > SHARE * size:
                    yield owner, f"streams may take {full / 2**30:.1f} GiB of a disk of {size / 2**30:.1f} GiB"
            limit = re.search(r"max_file_store:\s*(\d+)GB", _configuration(stack, workload, container) or "")
            if limit and full > int(limit[1]) * 2**30:
                yield owner, f"streams may take {full / 2**30:.1f} GiB, and the server gives {limit[1]} GiB"


RULES = (
    Rule("nats-configuration", configurations_exist, "Mount deploy/nats by its ConfigMap, and name the file after -c."),
    Rule("nats-variables", variables_are_set, "deploy/nats/server.conf and cluster.conf name all variables at their head."),
    Rule("nats-sync", writes_are_synced, "Set WS_NATS_SYNC_INTERVAL=always."),
    Rule("nats-replicas", replicas_fit_servers, "WS_REPLICAS=3 with three servers, else 1."),
    Rule(
        "nats-routes", routes_name_the_servers, "One WS_NATS_ROUTE_n for each server, by its name at the headless Service."
    ),
    Rule(
        "nats-names", permissions_name_what_there_is, "Names are in services/contracts/subjects.py and runtime/topology.py."
    ),
    Rule("nats-users", every_service_is_a_user, "Add the user to deploy/nats/permissions.conf."),
    Rule("nats-disk", streams_fit_the_disk, "Lower WS_…_MAX_BYTES or ask for a larger volume."),
)
