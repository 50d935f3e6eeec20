"""Why a pod does not start: the reasons that do not go away by waiting."""

from dataclasses import dataclass

from scripts.kube.kubectl import Object

IMAGE_REASONS = {"ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
CONFIG_REASONS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
# How long a reason must last. A container that crashes waits 10 s, 20 s, 40 s between its starts: 25 s is its third crash, so one that
# only waited for another component is not counted. A cluster autoscaler may add a node for a pod that is unschedulable.
SECONDS = {**dict.fromkeys(IMAGE_REASONS, 0.0), **dict.fromkeys(CONFIG_REASONS, 10.0), "CrashLoopBackOff": 25.0, "Unschedulable": 30.0}


@dataclass(frozen=True)
class Problem:
    """A container, or with an empty name a pod, that cannot start."""

    namespace: str
    pod: str
    container: str
    reason: str
    message: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Identifies the problem between two calls: messages may change."""
        return self.namespace, self.pod, self.container, self.reason

    def __str__(self) -> str:
        container = f" container {self.container}" if self.container else ""
        return f"{self.namespace}: pod {self.pod}{container}: {self.reason}: {self.message}"


def problems(pod: Object) -> list[Problem]:
    """Returns why a pod does not start; empty if it runs or may still start."""
    meta, status = pod["metadata"], pod.get("status", {})
    if "deletionTimestamp" in meta:
        return []
    reasons = [
        ("", condition["reason"], condition.get("message", ""))
        for condition in status.get("conditions", [])
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting", {})
        terminated = container.get("lastState", {}).get("terminated", {})
        cause = f" ({terminated['reason']}, exit code {terminated['exitCode']})" if terminated.get("reason") else ""
        reasons.append((container["name"], waiting.get("reason", ""), waiting.get("message", "") + cause))
    name, namespace = meta["name"], meta["namespace"]
    return [Problem(namespace, name, container, reason, text) for container, reason, text in reasons if reason in SECONDS]


def current_pods(pods: list[Object], replica_sets: list[Object]) -> list[Object]:
    """Returns the pods without those of older revisions of a Deployment, which are being replaced, and without those of Jobs."""
    revisions: dict[str, int] = {}
    for replica_set in replica_sets:
        deployment = replica_set["metadata"]["ownerReferences"][0]["uid"]
        revisions[deployment] = max(revisions.get(deployment, 0), _revision(replica_set))
    current = {
        replica_set["metadata"]["uid"]
        for replica_set in replica_sets
        if _revision(replica_set) == revisions[replica_set["metadata"]["ownerReferences"][0]["uid"]]
    }
    return [pod for pod in pods if _is_current(pod, current)]


def _revision(replica_set: Object) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", "0"))


def _is_current(pod: Object, current: set[str]) -> bool:
    owner = pod["metadata"].get("ownerReferences", [{"kind": "", "uid": ""}])[0]
    return owner["kind"] != "Job" and (owner["kind"] != "ReplicaSet" or owner["uid"] in current)
