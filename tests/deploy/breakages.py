"""For each rule, what breaks it. Paths go from the object down; labels have slashes, so whole maps of them are put there."""

from typing import Any

from tests.deploy.suite.breaking import Broken
from tests.deploy.suite.published import NEWEST, OLDEST

POD = "spec/template/spec"
FIRST = f"{POD}/containers/0"
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
GATEWAY, HISTORY, NATS, JOB = "Deployment/gateway", "Deployment/history", "StatefulSet/nats", "Job/provision"
ROUTE, HPA, BUDGET = "HTTPRoute/gateway", "HorizontalPodAutoscaler/gateway", "PodDisruptionBudget/gateway"


def with_env(name: str, value: Any) -> Any:
    """The list of variables with one more, or with another value."""
    return lambda old: [
        *(each for each in old or [] if each["name"] != name),
        *([{"name": name, "value": value}] if value else []),
    ]


def without(key: str) -> Any:
    """A map without a key."""
    return lambda old: {name: value for name, value in old.items() if name != key}


def plus(**more: Any) -> Any:
    """A map with more in it."""
    return lambda old: {**(old or {}), **more}


def labelled(**labels: str) -> Any:
    """A selector's labels with another component or name."""
    return lambda old: {**old, **{f"app.kubernetes.io/{key}": value for key, value in labels.items()}}


def with_text(key: str, before: str, after: str) -> Any:
    """A file of a ConfigMap with something else in one place."""

    def change(old: dict[str, str]) -> dict[str, str]:
        assert before in old[key], f"{before} is not in {key}"
        return {**old, key: old[key].replace(before, after)}

    return change


WIRING = [
    Broken("service-pods", "Service/gateway", "spec/selector", labelled(component="gatevay")),
    Broken("service-pods", "Service/gateway", "spec/selector", {NAME: "websocket-spaces"}),
    Broken("service-pods", "Service/gateway", "spec/ports/0/targetPort", "web"),
    Broken("selector-template", GATEWAY, "spec/template/metadata/labels", labelled(component="other")),
    Broken("selector-template", GATEWAY, "spec/selector/matchLabels", {NAME: "websocket-spaces"}),
    Broken("selector-stable", GATEWAY, "spec/selector/matchLabels", labelled(version="1")),
    Broken("source-exists", GATEWAY, f"{FIRST}/envFrom/0/configMapRef/name", "settings-of-others"),
    Broken("source-exists", GATEWAY, f"{FIRST}/env", lambda old: [_key(each, "no-such-key") for each in old]),
    Broken("source-exists", NATS, f"{POD}/volumes/0/configMap/name", "nats-config"),
    Broken("source-exists", "ConfigMap/nats-config"),
    Broken("volume-exists", GATEWAY, f"{POD}/volumes/0/name", "temporary"),
    Broken("volume-exists", NATS, "spec/volumeClaimTemplates", []),
    Broken("volume-exists", GATEWAY, f"{POD}/volumes/0", {"name": "tmp", "persistentVolumeClaim": {"claimName": "none"}}),
    Broken("service-account-exists", GATEWAY, f"{POD}/serviceAccountName", "gateway"),
    Broken("governing-service", NATS, "spec/serviceName", "nats"),
    Broken("governing-service", "Service/nats-headless", "spec/selector", labelled(component="gateway")),
    Broken("route-backend", ROUTE, "spec/rules/1/backendRefs/0/name", "gateways"),
    Broken("route-backend", ROUTE, "spec/rules/1/backendRefs/0/port", 5001),
    Broken("selector-selects", BUDGET, "spec/selector/matchLabels", labelled(component="gatevay")),
    Broken("selector-selects", "NetworkPolicy/to-nats", "spec/podSelector", {"matchLabels": {NAME: "spaces"}}),
    Broken("selector-selects", "NetworkPolicy/to-nats", "spec/egress/0/to/0/podSelector", {"matchLabels": {NAME: "gnatsd"}}),
    Broken("backup-refers", "ScheduledBackup/postgres", "spec/cluster/name", "pg"),
    Broken("backup-refers", "ObjectStore/postgres-backups", "metadata/name", "elsewhere"),
    Broken("backup-refers", "ObjectStore/postgres-backups", "spec/configuration/s3Credentials/accessKeyId/key", "id"),
    Broken("labels", "Service/gateway", "metadata/labels", without("app.kubernetes.io/part-of")),
    Broken("labels", GATEWAY, "spec/template/metadata/labels", without("app.kubernetes.io/part-of")),
    Broken("hashed-configuration", "ConfigMap/settings", "metadata/name", "settings"),
    Broken("unique-names", "Service/gateway", value=lambda old: [old, old]),
    Broken("namespace", "Service/gateway", "metadata/namespace", "default"),
]


def _key(variable: dict[str, Any], key: str) -> dict[str, Any]:
    source = variable.get("valueFrom", {}).get("secretKeyRef")
    return {**variable, "valueFrom": {"secretKeyRef": {**source, "key": key}}} if source else variable


SETTINGS = [
    Broken("service-command", GATEWAY, f"{FIRST}/args", ["gatevay"]),
    Broken("service-command", GATEWAY, f"{FIRST}/args"),
    Broken("settings", GATEWAY, f"{FIRST}/env", with_env("WS_RATELIMIT", "1/1")),
    Broken("settings", GATEWAY, f"{FIRST}/env", with_env("WS_PORT", "http")),
    Broken("settings", HISTORY, f"{FIRST}/env", with_env("WS_DATABASE_URL", None)),
    Broken("settings", "ConfigMap/settings", "data", plus(WS_REPLICA="3")),
    Broken("settings-elsewhere", "StatefulSet/agent", f"{FIRST}/env", with_env("WS_PORT", "1"), overlay="agent"),
    Broken("references-set", GATEWAY, f"{FIRST}/env", with_env("NATS_PASSWORD", None)),
    Broken("references-set", "StatefulSet/agent", f"{FIRST}/env", with_env("POD_NAME", None), overlay="agent"),
    Broken("settings-ports", "ConfigMap/settings", "data", plus(WS_PORT="8080")),
    Broken("settings-ports", "ConfigMap/settings", "data", plus(WS_HEALTH_PORT="9001")),
    Broken("settings-ports", "ConfigMap/settings", "data", plus(WS_HOST="127.0.0.1")),
    Broken("nats-user", GATEWAY, f"{FIRST}/env", with_env("WS_NATS_URL", "nats://registry:$(NATS_PASSWORD)@nats:4222")),
    Broken("nats-user", GATEWAY, f"{FIRST}/env", lambda old: [_key(each, "WS_NATS_REGISTRY_PASSWORD") for each in old]),
    Broken("least-secrets", GATEWAY, f"{FIRST}/env", with_env("WS_DATABASE_URL", "postgresql://postgres-rw/spaces")),
    Broken("least-secrets", GATEWAY, f"{FIRST}/envFrom/0", {"secretRef": {"name": "nats-passwords"}}),
    Broken("shared-key", GATEWAY, f"{FIRST}/env", with_env("WS_SECRET_KEY", None)),
    Broken("scraped", GATEWAY, "spec/template/metadata/annotations", {}),
    Broken("agent-options", "StatefulSet/agent", f"{FIRST}/args/1", "--urls=https://spaces.example.com", overlay="agent"),
]

PROBES = [
    *(Broken("probes-present", GATEWAY, f"{FIRST}/{kind}Probe") for kind in ("startup", "liveness", "readiness")),
    Broken("probes-present", NATS, f"{FIRST}/livenessProbe"),
    Broken("probes-distinct", GATEWAY, f"{FIRST}/livenessProbe/httpGet/path", "/readyz"),
    Broken("probes-ports", GATEWAY, f"{FIRST}/readinessProbe/httpGet/port", "metrics"),
    Broken("probes-ports", NATS, f"{FIRST}/livenessProbe/httpGet/port", 8223),
    Broken("probes-paths", GATEWAY, f"{FIRST}/readinessProbe/httpGet/path", "/ready"),
    Broken("probes-paths", GATEWAY, f"{FIRST}/livenessProbe/httpGet/path", "/readyz"),
    Broken("probes-paths", NATS, f"{FIRST}/livenessProbe/httpGet/path", "/health"),
]

OWN = f"{FIRST}/securityContext"
SECURITY = [
    Broken("restricted", GATEWAY, f"{OWN}/allowPrivilegeEscalation", True),
    Broken("restricted", GATEWAY, f"{OWN}/privileged", True),
    Broken("restricted", GATEWAY, f"{OWN}/capabilities", {"drop": ["NET_RAW"]}),
    Broken("restricted", GATEWAY, f"{OWN}/capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
    Broken("restricted", GATEWAY, f"{POD}/securityContext/runAsNonRoot"),
    Broken("restricted", GATEWAY, f"{POD}/securityContext/runAsUser", 0),
    Broken("restricted", GATEWAY, f"{POD}/securityContext/seccompProfile/type", "Unconfined"),
    Broken("restricted", GATEWAY, f"{POD}/securityContext/sysctls", [{"name": "net.core.somaxconn", "value": "1"}]),
    Broken("restricted", GATEWAY, f"{POD}/securityContext/windowsOptions", {"hostProcess": True}),
    Broken("restricted", GATEWAY, f"{OWN}/procMount", "Unmasked"),
    Broken("restricted", GATEWAY, f"{OWN}/appArmorProfile", {"type": "Unconfined"}),
    Broken("restricted", GATEWAY, f"{OWN}/seLinuxOptions", {"user": "system_u"}),
    Broken("restricted", GATEWAY, f"{FIRST}/ports/0/hostPort", 5001),
    *(Broken("restricted", GATEWAY, f"{POD}/{field}", True) for field in ("hostNetwork", "hostPID", "hostIPC")),
    Broken("restricted", GATEWAY, f"{POD}/volumes/0", {"name": "tmp", "hostPath": {"path": "/tmp"}}),
    Broken("restricted", GATEWAY, f"{POD}/initContainers", [{"name": "first", "image": "busybox:1"}]),
    Broken("read-only-root", GATEWAY, f"{OWN}/readOnlyRootFilesystem", False),
    Broken("no-token", GATEWAY, f"{POD}/automountServiceAccountToken"),
    Broken("no-service-links", GATEWAY, f"{POD}/enableServiceLinks"),
    Broken("namespace-enforces", "Namespace/websocket-spaces", "metadata/labels", {}),
    Broken("no-secret-written", GATEWAY, f"{FIRST}/env", with_env("WS_SECRET_KEY", "0123456789abcdef")),
    Broken(
        "no-secret-written", HISTORY, f"{FIRST}/env", with_env("WS_DATABASE_URL", "postgresql://spaces:hunter2@db/spaces")
    ),
    Broken("no-secret-written", "ConfigMap/settings", "data", plus(WS_ADMIN_PASSWORD="hunter2")),
    Broken("no-secret-written", "Secret/gateway", "data", {"secret-key": "aHVudGVyMg=="}, overlay="dev"),
    Broken("image-pinned", GATEWAY, f"{FIRST}/image", "registry.example.com/websocket-spaces:latest"),
    Broken("image-pinned", GATEWAY, f"{FIRST}/image", "registry.example.com:5000/websocket-spaces"),
    Broken("image-pinned", "Cluster/postgres", "spec/imageName", "ghcr.io/cloudnative-pg/postgresql"),
]

RESOURCES = [
    *(
        Broken("resources", GATEWAY, f"{FIRST}/resources/{part}/{kind}")
        for part in ("requests", "limits")
        for kind in ("cpu", "memory")
    ),
    Broken("resources", "Cluster/postgres", "spec/resources"),
    Broken("requests-fit", GATEWAY, f"{FIRST}/resources/requests/memory", "2Gi"),
    Broken("gomemlimit", NATS, f"{FIRST}/env", with_env("GOMEMLIMIT", "4GiB")),
    Broken("gomemlimit", NATS, f"{FIRST}/env", with_env("GOMEMLIMIT", None)),
    Broken("bounded-empty-dir", GATEWAY, f"{POD}/volumes/0/emptyDir", {}),
]

AVAILABILITY = [
    Broken("budget", BUDGET),
    Broken("budget", BUDGET, "spec", lambda old: {**without("maxUnavailable")(old), "minAvailable": 3}),
    Broken("budget", BUDGET, "spec", lambda old: {**without("maxUnavailable")(old), "minAvailable": "100%"}),
    Broken("budget", BUDGET, "spec/maxUnavailable", 0),
    Broken("budget", BUDGET, "spec/unhealthyPodEvictionPolicy"),
    Broken("budget", BUDGET, value=lambda old: [old, {**old, "metadata": {**old["metadata"], "name": "second"}}]),
    Broken("budget-majority", "PodDisruptionBudget/nats", "spec/maxUnavailable", 2),
    Broken("spread", GATEWAY, f"{POD}/topologySpreadConstraints"),
    Broken("spread", GATEWAY, f"{POD}/topologySpreadConstraints/0/labelSelector/matchLabels", {NAME: "spaces"}),
    Broken("spread", GATEWAY, f"{POD}/topologySpreadConstraints/0/matchLabelKeys"),
    Broken("enough", NATS, "spec/replicas", 1),
    Broken("enough", HPA, "spec/minReplicas", 1),
    Broken("autoscaler", HPA, "spec/scaleTargetRef/name", "gateways"),
    Broken("autoscaler", GATEWAY, "spec/replicas", 3),
    Broken("autoscaler", HPA, "spec/maxReplicas", 1),
    Broken("autoscaler", HPA, "spec/metrics/0/pods/metric/name", "ws_open_connections"),
    Broken("rollout", GATEWAY, "spec/strategy/rollingUpdate/maxUnavailable", 1),
    Broken("rollout", GATEWAY, "spec/strategy", {"type": "Recreate"}),
    Broken("rollout", GATEWAY, "spec/strategy/rollingUpdate/maxSurge", 0),
    Broken("rollout", GATEWAY, "spec/minReadySeconds"),
    Broken("grace", GATEWAY, f"{POD}/terminationGracePeriodSeconds", 44),
    Broken("grace", HISTORY, f"{POD}/terminationGracePeriodSeconds"),
    Broken("grace", NATS, f"{POD}/terminationGracePeriodSeconds", 60),
    Broken("grace", "StatefulSet/agent", f"{POD}/terminationGracePeriodSeconds", 60, overlay="agent"),
    Broken("drain-delay", GATEWAY, f"{FIRST}/env", with_env("WS_DRAIN_DELAY", "2")),
    Broken("route-timeouts", ROUTE, "spec/rules/1/timeouts"),
    Broken("job-ends", JOB, f"{POD}/restartPolicy", "Always"),
    Broken("job-ends", JOB, "spec/backoffLimit"),
    Broken("job-again", JOB, "metadata/annotations", {}),
]

POLICY = "NetworkPolicy"
NETWORK = [
    Broken("default-deny", f"{POLICY}/default-deny"),
    Broken("default-deny", f"{POLICY}/default-deny", "spec/policyTypes", ["Ingress"]),
    Broken("policy-types", f"{POLICY}/to-nats", "spec/policyTypes", ["Ingress"]),
    Broken("edge-ports", f"{POLICY}/to-nats", "spec/egress/0/ports"),
    Broken("edge-ports", f"{POLICY}/to-nats", "spec/egress/0/ports/0/endPort", 65535),
    Broken("edge-needed", f"{POLICY}/to-nats", "spec/egress/0/ports/0/protocol", "UDP"),
    Broken("edge-needed", f"{POLICY}/dns", "spec/egress/0/ports/0"),
    Broken("edge-superfluous", f"{POLICY}/to-nats", "spec/egress/0/to/0", {"ipBlock": {"cidr": "0.0.0.0/0"}}),
    Broken("edge-superfluous", f"{POLICY}/scrape", "spec/ingress/0/from/0/namespaceSelector", {}),
    Broken("edge-needed", f"{POLICY}/to-nats"),
    Broken("edge-needed", f"{POLICY}/nats"),
    Broken("edge-needed", f"{POLICY}/dns"),
    Broken("edge-needed", f"{POLICY}/scrape"),
    Broken("edge-needed", f"{POLICY}/gateway"),
    Broken("edge-needed", f"{POLICY}/nats-cluster"),
    Broken("edge-needed", f"{POLICY}/to-postgres"),
    Broken("edge-needed", f"{POLICY}/postgres", "spec/egress/1/ports/0/port", 444),
    Broken("edge-needed", f"{POLICY}/agent", "spec/egress/1/ports/0/port", 80, overlay="agent"),
    Broken("edge-superfluous", f"{POLICY}/to-nats", "spec/egress/0/ports/0/port", 8222),
    Broken("edge-superfluous", f"{POLICY}/to-postgres", "spec/podSelector/matchExpressions", []),
    Broken("edge-superfluous", f"{POLICY}/gateway", "spec/ingress/0/from"),
    Broken("edge-superfluous", f"{POLICY}/nats-cluster", "spec/ingress/0/from/0/podSelector", {}),
    Broken("address", GATEWAY, f"{FIRST}/env", with_env("WS_NATS_URL", "nats://gateway:$(NATS_PASSWORD)@bus:4222")),
]

CONFIG = "ConfigMap/nats-config"
SERVERS = [
    Broken("nats-configuration", NATS, f"{FIRST}/command/2", "/etc/nats/nats.conf"),
    Broken("nats-variables", NATS, f"{FIRST}/env", with_env("WS_NATS_STORE_DIR", None)),
    Broken("nats-variables", NATS, f"{FIRST}/env", with_env("WS_NATS_DOMAIN", "hub")),
    Broken("nats-sync", NATS, f"{FIRST}/env", with_env("WS_NATS_SYNC_INTERVAL", "2m")),
    Broken("nats-replicas", "ConfigMap/settings", "data", plus(WS_REPLICAS="1")),
    Broken("nats-replicas", NATS, "spec/replicas", 1),
    Broken(
        "nats-routes",
        NATS,
        f"{FIRST}/env",
        with_env("WS_NATS_ROUTE_3", "nats-route://routes:$(ROUTES_PASSWORD)@nats-3.nats:6222"),
    ),
    Broken("nats-names", CONFIG, "data", with_text("permissions.conf", "$KV.ws_leases.", "$KV.ws_lease.")),
    Broken(
        "nats-names",
        CONFIG,
        "data",
        with_text("permissions.conf", "$JS.API.STREAM.INFO.OUTPUT", "$JS.API.STREAM.INFO.OUTPUTS"),
    ),
    Broken("nats-names", CONFIG, "data", with_text("permissions.conf", "ws.req.*.*.assigned", "ws.request.*.*.assigned")),
    Broken("nats-names", CONFIG, "data", with_text("permissions.conf", "ws_sign_ins", "ws_sessions")),
    Broken("nats-users", CONFIG, "data", with_text("permissions.conf", "user: dispatcher", "user: scheduler")),
    Broken("nats-disk", NATS, "spec/volumeClaimTemplates/0/spec/resources/requests/storage", "20Gi"),
    Broken("nats-disk", CONFIG, "data", with_text("server.conf", "max_file_store: 4000GB", "max_file_store: 16GB")),
]

SCHEMAS = [
    *(Broken(f"schema-{version}", GATEWAY, "spec/replica", 3) for version in (OLDEST, NEWEST)),
    *(Broken(f"schema-{version}", GATEWAY, "spec/minReadySeconds", "5") for version in (OLDEST, NEWEST)),
    *(Broken(f"schema-{version}", BUDGET, "apiVersion", "policy/v1beta1") for version in (OLDEST, NEWEST)),
    Broken(f"schema-{OLDEST}", GATEWAY, f"{POD}/hostnameOverride", "gateway"),
    Broken("schema-custom", ROUTE, "spec/rules/1/timeout", "0s"),
    Broken("schema-custom", ROUTE, "spec/rules/1/timeouts/request", "for ever"),
    Broken("schema-custom", ROUTE, "spec/rules/0/matches/0/path/type", "Glob"),
    Broken("schema-custom", ROUTE, "apiVersion", "gateway.networking.k8s.io/v1alpha1"),
    Broken("schema-custom", "ObjectStore/postgres-backups", "spec/configuration/destinationpath", "s3://elsewhere"),
    Broken("schema-custom", "ObjectStore/postgres-backups", "spec/configuration/wal/compression", "rar"),
    Broken("schema-custom", "Cluster/postgres", "spec/instance", 3),
    Broken("schema-custom", "Cluster/postgres", "spec/instances", "3"),
    Broken("schema-custom", "Cluster/postgres", "spec/instances"),
    Broken("schema-custom", "Cluster/postgres", "spec/bootstrap/initdb/dataChecksum", True),
    Broken("schema-custom", "Cluster/postgres", "spec/primaryUpdateMethod", "reboot"),
    Broken("schema-custom", "ScheduledBackup/postgres", "spec/method", "plug"),
    Broken("schema-custom", "ScheduledBackup/postgres", "spec/schedule"),
]

GO_TYPES = [
    Broken("go-types", GATEWAY, f"{FIRST}/resources/limits/memory", "1Gb"),
    Broken("go-types", GATEWAY, "spec/replica", 3),
    Broken("go-types", GATEWAY, "spec/selector/matchLabels", {"app name": "gateway"}),
    Broken("go-types", GATEWAY, "metadata/labels", labelled(component="the gateway")),
    Broken("go-types", f"{POLICY}/to-nats", "spec/podSelector/matchExpressions/0/operator", "Within"),
    Broken("go-types", GATEWAY, "metadata/name", "Gateway"),
    Broken("go-types", GATEWAY, f"{FIRST}/ports/0/name", "http-and-websockets"),
    Broken("go-types", GATEWAY, f"{FIRST}/ports/0/containerPort", 70000),
    Broken("go-types", GATEWAY, f"{FIRST}/name", "the gateway"),
    Broken("go-types", GATEWAY, f"{FIRST}/env", with_env("WS=PORT", "1")),
    Broken("go-types", GATEWAY, f"{POD}/volumes/0/name", "tmp_files"),
    Broken("go-types", "Service/gateway", "spec/ports/0/port", 0),
    Broken("go-types", BUDGET, "apiVersion", "policy/v1beta1"),
]

BREAKAGES = [*WIRING, *SETTINGS, *PROBES, *SECURITY, *RESOURCES, *AVAILABILITY, *NETWORK, *SERVERS]
