"""The restricted Pod Security Standard, control by control, and what we ask besides."""

import re
from collections.abc import Iterator

from tests.deploy.suite.findings import Problem, Rule
from tests.deploy.suite.objects import Object, Pods, Stack, labels_of, name_of, secret_values

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|(^|_)KEY($|_)|CREDENTIAL", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/@:\s]+:(?!\$\(|<)[^/@\s]+@")


def _controls(pods: Pods, container: Object) -> Iterator[str]:
    own, pod = container.get("securityContext") or {}, pods.spec.get("securityContext") or {}
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield "it is privileged"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "capabilities do not drop ALL"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"capabilities add {capabilities['add']}"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if not own.get("runAsUser", pod.get("runAsUser")):
        yield "runAsUser is root, or not said as a number"
    if (own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile is neither RuntimeDefault nor Localhost"
    if own.get("procMount", "Default") != "Default":
        yield "procMount is not the default"
    if any(port.get("hostPort") for port in container.get("ports") or []):
        yield "it takes a port of the host"
    if (own.get("appArmorProfile") or pod.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield "appArmorProfile is Unconfined"
    if (own.get("seLinuxOptions") or pod.get("seLinuxOptions") or {}).keys() & {"user", "role"}:
        yield "seLinuxOptions say a user or role"


def pods_are_restricted(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pods.spec.get(field):
                yield pods.owner, f"{field} is set"
        if (pods.spec.get("securityContext") or {}).get("sysctls"):
            yield pods.owner, "it sets sysctls"
        if ((pods.spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess"):
            yield pods.owner, "it is a process of a Windows host"
        for volume in pods.spec.get("volumes") or []:
            for kind in sorted(set(volume) - VOLUMES - {"name"}):
                yield pods.owner, f"the volume {volume['name']} is a {kind}"
        for container in pods.containers:
            for problem in _controls(pods, container):
                yield pods.owner, f"container {container['name']}: {problem}"


def roots_are_read_only(stack: Stack) -> Iterator[Problem]:
    for owner, container in stack.containers:
        if (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is not True:
            yield owner, f"container {container['name']}: readOnlyRootFilesystem is not true"


def no_tokens_are_mounted(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        if pods.containers and pods.spec.get("automountServiceAccountToken") is not False:
            yield pods.owner, "a token of the Kubernetes API is mounted"


def no_service_links(stack: Stack) -> Iterator[Problem]:
    for pods in stack.pods:
        if pods.containers and pods.spec.get("enableServiceLinks") is not False:
            yield pods.owner, "each Service of the namespace becomes environment variables"


def namespaces_enforce(stack: Stack) -> Iterator[Problem]:
    for namespace in stack.of("Namespace"):
        if labels_of(namespace).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield namespace, "it does not enforce the restricted Pod Security Standard"


def no_secret_is_written(stack: Stack) -> Iterator[Problem]:
    examples = {value for each in stack.promised for value in secret_values(each).values()}
    for secret in stack.of("Secret"):
        for key, value in secret_values(secret).items():
            if value not in examples:
                yield secret, f"it has a value for {key} that is no example"
    for owner, container in stack.containers:
        for each in container.get("env") or []:
            text = str(each.get("value") or "")
            plain = text and not text.startswith("$(") and not text.startswith("/")
            if (plain and _SECRET_NAME.search(each["name"])) or _PASSWORD_IN_URL.search(text):
                yield owner, f"container {container['name']}: a secret is written as the value of {each['name']}"
    for found in stack.of("ConfigMap"):
        for key, value in (found.get("data") or {}).items():
            if _SECRET_NAME.search(key) or _PASSWORD_IN_URL.search(value):
                yield found, f"{key} looks like a secret"


def images_are_pinned(stack: Stack) -> Iterator[Problem]:
    named = [(owner, str(container.get("image", ""))) for owner, container in stack.containers]
    named += [(each, str(each["spec"].get("imageName", ""))) for each in stack.clusters]
    for owner, image in named:
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield owner, f"the image {image or '(none)'} of {name_of(owner)} has no version"


RULES = (
    Rule("restricted", pods_are_restricted, "See base/pods/restricted.yaml, and Kubernetes' Pod Security Standards."),
    Rule("read-only-root", roots_are_read_only, "Set it, and mount an emptyDir where the program writes."),
    Rule(
        "no-token", no_tokens_are_mounted, "Set automountServiceAccountToken: false; nothing here asks the Kubernetes API."
    ),
    Rule("no-service-links", no_service_links, "Set enableServiceLinks: false; services refuse variables they do not know."),
    Rule("namespace-enforces", namespaces_enforce, "Label the Namespace pod-security.kubernetes.io/enforce: restricted."),
    Rule("no-secret-written", no_secret_is_written, "Take it from a Secret that is made outside of git."),
    Rule("image-pinned", images_are_pinned, "Name a version or digest under `images` of the overlay's kustomization."),
)
