"""Environment variables against what the programs read."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from services.runtime.settings import PREFIX
from tests.deploy.suite import code
from tests.deploy.suite.environment import arguments, environment
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import Object, Stack, pods_of, template_of

_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
EVERYWHERE = "0.0.0.0"
NEEDED_BY = {
    "WS_DATABASE_URL": {"history", code.PROVISIONER},
    "WS_SECRET_KEY": {"gateway"},
    "WS_ADMIN_PASSWORD": {"registry"},
}
"""Which services read a secret."""
SERVICES = "websocket-spaces"
"""The name that the pods of our services have in common."""


def _services(stack: Stack) -> Iterator[tuple[Object, Object, str]]:
    for owner, container in stack.containers:
        if service := code.service_of(container):
            yield owner, container, service


def images_are_told_what_to_run(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        ours = pods.labels.get("app.kubernetes.io/name") == SERVICES
        if ours and not any(code.service_of(each) for each in pods.containers):
            said = [each.get("args") for each in pods.containers]
            yield pods.owner, f"its containers run {said}, which is none of our services"


def settings_are_accepted(stack: Stack) -> Iterator[Problem]:
    for owner, container, service in _services(stack):
        settings = code.settings_of(environment(stack, container))
        if isinstance(settings, str):
            yield owner, f"{service} would not start: {settings}"
        elif service in ("history", code.PROVISIONER) and not settings.database_url:
            yield owner, f"{service} needs WS_DATABASE_URL"


def no_other_settings(stack: Stack) -> Iterator[Problem]:
    for owner, container in stack.containers:
        if code.service_of(container) is None and "nats-server" not in arguments(stack, container):
            for name in sorted(environment(stack, container)):
                if name.startswith(PREFIX) and name not in ("WS_AGENT_KEY", "WS_LOG_LEVEL"):
                    yield owner, f"container {container['name']} reads no {name}"


def references_are_set(stack: Stack) -> Iterator[Problem]:
    for owner, container in stack.containers:
        texts = [str(each) for each in arguments(stack, container)] + list(environment(stack, container).values())
        for name in sorted({name for text in texts for name in _REFERENCE.findall(text)}):
            yield owner, f"container {container['name']}: $({name}) is set nowhere, or after its use"


def ports_are_those_of_settings(stack: Stack) -> Iterator[Problem]:
    for owner, container, service in _services(stack):
        settings = code.settings_of(environment(stack, container))
        if isinstance(settings, str) or service == code.PROVISIONER:
            continue
        listening = {settings.health_port} | ({settings.port} if service == "gateway" else set())
        declared = {port["containerPort"] for port in container.get("ports") or []}
        if declared != listening:
            yield owner, f"{service} listens on {sorted(listening)}, and its container ports are {sorted(declared)}"
        if settings.host != EVERYWHERE:
            yield owner, f"{service} listens on {settings.host}, where no other pod comes"
        annotations = template_of(owner).get("metadata", {}).get("annotations") or {}
        scraped = annotations.get("prometheus.io/port")
        if scraped is not None and scraped != str(settings.health_port):
            yield owner, f"prometheus.io/port is {scraped}, metrics are on {settings.health_port}"


def nats_users_fit(stack: Stack) -> Iterator[Problem]:
    for owner, container, service in _services(stack):
        user = code.NATS_USER_OF[service]
        given = {each["name"]: each for each in container.get("env") or []}
        url = urlsplit(str(given.get("WS_NATS_URL", {}).get("value", "")))
        if url.username != user:
            yield owner, f"{service} connects to NATS as {url.username}, not as {user}"
        variable = _REFERENCE.fullmatch(url.password or "")
        source = given.get(variable[1], {}).get("valueFrom", {}).get("secretKeyRef", {}) if variable else {}
        if source.get("key") != f"WS_NATS_{user.upper()}_PASSWORD":
            yield owner, f"{service} has {source.get('key', 'no key of a Secret')} for its password at NATS"


def gateways_share_a_key(stack: Stack) -> Iterator[Problem]:
    for owner, container, service in _services(stack):
        settings = code.settings_of(environment(stack, container))
        if service == "gateway" and not isinstance(settings, str) and not settings.secret_key:
            yield owner, "each gateway would sign links with a key of its own: WS_SECRET_KEY is not set"


def secrets_go_where_they_are_needed(stack: Stack) -> Iterator[Problem]:
    for owner, container, service in _services(stack):
        for name in sorted(environment(stack, container)):
            if service not in NEEDED_BY.get(name, {service}):
                yield owner, f"{service} gets {name}, which it does not need"
        if any("secretRef" in each for each in container.get("envFrom") or []):
            yield owner, f"{service} gets a whole Secret as variables, and needs single keys"


def metrics_are_scraped(stack: Stack) -> Iterator[Problem]:
    for owner, _, service in _services(stack):
        annotations = template_of(owner).get("metadata", {}).get("annotations") or {}
        if service != code.PROVISIONER and annotations.get("prometheus.io/scrape") != "true":
            yield owner, "nothing tells Prometheus to read its metrics"


def agents_are_told_what_they_take(stack: Stack) -> Iterator[Problem]:
    for workload in stack.workloads:
        for container in pods_of(workload).containers:
            words = arguments(stack, container)
            if "run" in words[:2] and "spaces-agent" in container.get("image", ""):
                options = {word.partition("=")[0] for word in words if word.startswith("--")}
                for option in sorted(options - code.agent_options()):
                    yield workload, f"spaces-agent run has no option {option}"
                if not {"--url", "--space", "--engine"} <= options:
                    yield workload, "spaces-agent run needs --url, --space and --engine"


RULES = (
    Rule("service-command", images_are_told_what_to_run, "Say one service, or `provision`, in args."),
    Rule("settings", settings_are_accepted, "docs/operations.md lists all settings; set what it needs and nothing else."),
    Rule("settings-elsewhere", no_other_settings, "Delete the variable, or give it to the service that reads it."),
    Rule("references-set", references_are_set, "Define the variable before the one that uses it."),
    Rule(
        "settings-ports", ports_are_those_of_settings, "Make WS_PORT, WS_HEALTH_PORT, WS_HOST and the container ports agree."
    ),
    Rule(
        "nats-user", nats_users_fit, "Each service connects as its own user, with that user's password from nats-passwords."
    ),
    Rule("shared-key", gateways_share_a_key, "Set WS_SECRET_KEY from a Secret, the same at all gateways."),
    Rule("least-secrets", secrets_go_where_they_are_needed, "Give each service only the keys of Secrets that it reads."),
    Rule("scraped", metrics_are_scraped, "Annotate the pods prometheus.io/scrape and prometheus.io/port."),
    Rule("agent-options", agents_are_told_what_they_take, "`spaces-agent run --help` lists the options."),
)
