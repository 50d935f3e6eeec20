"""Whether a workload is ready, and if not, what is missing."""

from scripts.kube.kubectl import Object

KINDS = {
    "Deployment": "deployments.apps",
    "StatefulSet": "statefulsets.apps",
    "RayCluster": "rayclusters.ray.io",
    "RayService": "rayservices.ray.io",
}


class WorkloadFailed(RuntimeError):
    """A workload cannot become ready; the text says why."""


def missing(workload: Object) -> str:
    """Returns what a workload waits for; empty if it is ready. Raises WorkloadFailed if waiting does not help."""
    status = workload.get("status", {})
    # KubeRay writes the generation of a RayCluster only together with another change of its status.
    if workload["kind"] != "RayCluster" and status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return "not yet seen by its controller"
    check = {"Deployment": _deployment, "StatefulSet": _stateful_set, "RayCluster": _ray_cluster, "RayService": _ray_service}
    return check[workload["kind"]](workload, status)


def _condition(status: Object, kind: str) -> Object:
    return next((condition for condition in status.get("conditions", []) if condition["type"] == kind), {})


def _deployment(workload: Object, status: Object) -> str:
    wanted, ready, updated = workload["spec"].get("replicas", 1), status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    failure = _condition(status, "ReplicaFailure")
    if failure.get("status") == "True" and ready < wanted:
        return f"its pods cannot be created: {failure.get('message', '')}"
    if updated < wanted or ready < wanted:
        return f"{min(ready, updated)} of {wanted} pods ready"
    return "pods of the version before are ending" if status.get("replicas", 0) > wanted else ""


def _stateful_set(workload: Object, status: Object) -> str:
    wanted, ready, updated = workload["spec"].get("replicas", 1), status.get("readyReplicas", 0), status.get("updatedReplicas", 0)
    if ready < wanted:
        return f"{ready} of {wanted} pods ready"
    is_old = status.get("updateRevision") != status.get("currentRevision") and updated < wanted
    return f"{updated} of {wanted} pods have the new version" if is_old else ""


def _ray_cluster(workload: Object, status: Object) -> str:
    head = _condition(status, "HeadPodReady")
    if head and head["status"] != "True":
        return f"head: {head.get('reason', '')} {head.get('message', '')}".strip()
    state = status.get("state", "")
    return "" if state == "ready" else f"state {state or 'not set yet'} {status.get('reason', '')}".strip()


def old_head(cluster: Object, pods: list[Object]) -> str:
    """Returns what a RayCluster waits for as long as its head pod has other images than its manifest; empty otherwise."""
    images = _images(cluster["spec"]["headGroupSpec"]["template"]["spec"])
    old = [pod["metadata"]["name"] for pod in pods if not images <= _images(pod["spec"])]
    return f"pods of the version before: {', '.join(old)}" if old else ""


def _images(pod_spec: Object) -> set[str]:
    return {container["image"] for container in pod_spec["containers"]}


def _ray_service(workload: Object, status: Object) -> str:
    """The application answers without a model too (from what is popular), so it must be RUNNING before the first training."""
    is_upgrade = bool(status.get("pendingServiceStatus", {}).get("rayClusterName"))
    applications = status.get("pendingServiceStatus" if is_upgrade else "activeServiceStatus", {}).get("applicationStatuses", {})
    for name, application in applications.items():
        if application.get("status") in {"DEPLOY_FAILED", "UNHEALTHY"}:
            text = f"application {name} is {application['status']}: {application.get('message', '')}"
            if application["status"] == "DEPLOY_FAILED":
                raise WorkloadFailed(text)
            return text
    if _condition(status, "Ready").get("status") != "True":
        condition = _condition(status, "Ready")
        return f"not ready: {condition.get('reason', status.get('serviceStatus', 'no status yet'))} {condition.get('message', '')}".strip()
    if is_upgrade or not applications:
        return "the Ray cluster of the new version starts" if is_upgrade else "no application yet"
    waiting = [name for name, application in applications.items() if application.get("status") != "RUNNING"]
    return f"applications not running: {', '.join(waiting)}" if waiting else ""
