"""What belongs together by name or label must find each other."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.deploy.suite.environment import Source, sources, volume_sources
from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import Object, Stack, labels_of, matches, name_of, pods_of, shown, template_of

STABLE = {f"app.kubernetes.io/{key}" for key in ("name", "instance", "component")}
RECOMMENDED = {f"app.kubernetes.io/{key}" for key in ("name", "component", "part-of", "managed-by")}
_HASHED = re.compile(r".+-[bcdfghkmt2456789]{10}")


def services_lead_to_pods(stack: Stack) -> Iterator[Problem]:
    for service in stack.of("Service"):
        pods = stack.behind(service)
        if not pods:
            yield service, "its selector matches the pods of no workload"
        if len(pods) > 1:
            yield service, f"its selector matches the pods of several: {', '.join(shown(each.owner) for each in pods)}"
        for port in service["spec"].get("ports") or []:
            target = port.get("targetPort", port["port"])
            for each in pods:
                if each.port(target) is None:
                    yield service, f"targetPort {target} is no container port of {shown(each.owner)}"


def selectors_match_templates(stack: Stack) -> Iterator[Problem]:
    for workload in stack.of("Deployment", "StatefulSet", "DaemonSet"):
        if not matches(workload["spec"].get("selector"), pods_of(workload).labels):
            yield workload, "its selector does not match the labels of its own template"
        owners = [each for each in stack.selected(workload["spec"].get("selector")) if each.owner is not workload]
        for other in owners:
            yield workload, f"its selector matches the pods of {shown(other.owner)} as well"


def selectors_never_change(stack: Stack) -> Iterator[Problem]:
    for workload in stack.of("Deployment", "StatefulSet", "DaemonSet"):
        wanted = workload["spec"].get("selector", {}).get("matchLabels") or {}
        for key in sorted(set(wanted) - STABLE):
            yield workload, f"its selector has {key}, which may have to change, and a selector cannot"


def _missing(stack: Stack, source: Source) -> str | None:
    known = stack.config_maps if source.kind == "ConfigMap" else stack.secrets
    if source.name not in known:
        return f"{source.kind} {source.name} is neither made here nor promised"
    if source.key is not None and source.key not in known[source.name]:
        return f"{source.kind} {source.name} has no key {source.key}"
    return None


def sources_exist(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        found = [*volume_sources(pods.spec), *(each for container in pods.containers for each in sources(container))]
        for source in found:
            if not source.optional and (missing := _missing(stack, source)):
                yield pods.owner, missing


def volumes_exist(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        claims = [each["metadata"]["name"] for each in pods.owner["spec"].get("volumeClaimTemplates") or []]
        volumes = [each["name"] for each in pods.spec.get("volumes") or []]
        mounted = {mount["name"] for container in pods.containers for mount in container.get("volumeMounts") or []}
        for name in sorted(mounted - {*claims, *volumes}):
            yield pods.owner, f"mounts the volume {name}, which is not there"
        for name in sorted({*claims, *volumes} - mounted):
            yield pods.owner, f"no container mounts the volume {name}"
        for volume in pods.spec.get("volumes") or []:
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and stack.one("PersistentVolumeClaim", claim) is None:
                yield pods.owner, f"PersistentVolumeClaim {claim} is not there"


def service_accounts_exist(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        account = pods.spec.get("serviceAccountName", "default")
        if account != "default" and stack.one("ServiceAccount", account) is None:
            yield pods.owner, f"ServiceAccount {account} is not there"


def governing_services_exist(stack: Stack) -> Iterator[Problem]:
    for workload in stack.of("StatefulSet"):
        service = stack.one("Service", workload["spec"].get("serviceName", ""))
        if service is None or service["spec"].get("clusterIP") != "None":
            yield workload, f"serviceName {workload['spec'].get('serviceName')} is not a headless Service"
        elif pods_of(workload).owner not in [each.owner for each in stack.behind(service)]:
            yield workload, f"{shown(service)} does not select its pods"


def routes_lead_to_services(stack: Stack) -> Iterator[Problem]:
    for route in stack.of("HTTPRoute"):
        for rule in route["spec"].get("rules") or []:
            for backend in rule.get("backendRefs") or []:
                service = stack.one(backend.get("kind", "Service"), backend["name"])
                ports = [port["port"] for port in service["spec"].get("ports", [])] if service else []
                if backend.get("port") not in ports:
                    yield route, f"there is no Service {backend['name']} with a port {backend.get('port')}"


def selectors_select_something(stack: Stack) -> Iterator[Problem]:
    for found in stack.of("PodDisruptionBudget"):
        if not stack.selected(found["spec"].get("selector")):
            yield found, "it selects the pods of no workload"
    for found in stack.of("NetworkPolicy"):
        if not stack.selected(found["spec"].get("podSelector")):
            yield found, "it selects the pods of no workload"
        for peer in _own_peers(found):
            if not stack.selected(peer):
                yield found, f"the peer {peer} selects the pods of no workload"


def _own_peers(policy: Object) -> Iterator[Object]:
    for rules, side in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(rules) or []:
            for peer in rule.get(side) or []:
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"]


def backups_refer_to_clusters(stack: Stack) -> Iterator[Problem]:
    stores = {name_of(each) for each in stack.of("ObjectStore")}
    for backup in stack.of("ScheduledBackup"):
        if backup["spec"]["cluster"]["name"] not in {name_of(each) for each in stack.clusters}:
            yield backup, f"there is no Cluster {backup['spec']['cluster']['name']}"
    for cluster in stack.clusters:
        for plugin in cluster["spec"].get("plugins") or []:
            store = plugin.get("parameters", {}).get("barmanObjectName")
            if store is not None and store not in stores:
                yield cluster, f"there is no ObjectStore {store}"
    for store in stack.of("ObjectStore"):
        for reference in (store["spec"]["configuration"].get("s3Credentials") or {}).values():
            if missing := _missing(stack, Source("Secret", reference["name"], reference["key"], optional=False)):
                yield store, missing


def objects_are_labelled(stack: Stack) -> Iterator[Problem]:
    for found in stack.objects:
        if found["kind"] in ("ConfigMap", "Secret", "Namespace"):
            continue  # the first two are named after what uses them; the namespace's labels are another rule's
        if missing := sorted(RECOMMENDED - set(labels_of(found))):
            yield found, f"it lacks the labels {', '.join(missing)}"
    for workload in stack.workloads:
        labels = template_of(workload).get("metadata", {}).get("labels") or {}
        if missing := sorted(RECOMMENDED - set(labels)):
            yield workload, f"its pods lack the labels {', '.join(missing)}"


def configuration_is_hashed(stack: Stack) -> Iterator[Problem]:
    for found in stack.of("ConfigMap", "Secret"):
        if not _HASHED.fullmatch(name_of(found)):
            yield found, "its name has no hash of what is in it, so pods do not notice a change"


def names_are_unique(stack: Stack) -> Iterator[Problem]:
    counted = Counter((shown(each), each["metadata"].get("namespace")) for each in stack.objects)
    for each in stack.objects:
        if counted[shown(each), each["metadata"].get("namespace")] > 1:
            yield each, "there are several of this name"


def namespaces_are_ours(stack: Stack) -> Iterator[Problem]:
    ours = {name_of(each) for each in stack.of("Namespace")}
    for each in stack.objects:
        if each["kind"] != "Namespace" and each["metadata"].get("namespace") not in ours:
            yield each, f"it is in the namespace {each['metadata'].get('namespace')}, which this overlay does not make"


RULES = (
    Rule("service-pods", services_lead_to_pods, "Make the Service's selector and targetPort those of one workload's pods."),
    Rule(
        "selector-template", selectors_match_templates, "Give selector and template the same labels, and no other workload."
    ),
    Rule("selector-stable", selectors_never_change, "Select by name, instance and component only."),
    Rule("source-exists", sources_exist, "Name what a generator makes, or add it to the overlay's secrets example."),
    Rule("volume-exists", volumes_exist, "Declare each volume that is mounted, and mount each that is declared."),
    Rule(
        "service-account-exists", service_accounts_exist, "Add the ServiceAccount, or use the default one without a token."
    ),
    Rule(
        "governing-service",
        governing_services_exist,
        "Add a Service with clusterIP None that selects the StatefulSet's pods.",
    ),
    Rule("route-backend", routes_lead_to_services, "Name a Service of this overlay and one of its ports."),
    Rule("selector-selects", selectors_select_something, "Select pods that exist, or delete what selects none."),
    Rule("backup-refers", backups_refer_to_clusters, "Name a Cluster, ObjectStore and Secret that are here or promised."),
    Rule("labels", objects_are_labelled, "Add the labels by the kustomization's `labels`, with includeTemplates."),
    Rule("hashed-configuration", configuration_is_hashed, "Make it by configMapGenerator or secretGenerator."),
    Rule("unique-names", names_are_unique, "Rename one of them."),
    Rule("namespace", namespaces_are_ours, "Set `namespace` in the overlay's kustomization."),
)
