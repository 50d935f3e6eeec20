"""Requests to the Kubernetes API server: custom resources, logs, deletion that waits, and repetition of requests that can succeed later."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException
from tenacity import before_sleep_log, retry, retry_if_exception, stop_after_delay, wait_exponential
from urllib3.exceptions import HTTPError

from clickstream.runtime import rayjob_specs

# An API server that restarts or is overloaded answers again within this time; a job must not fail for one lost response.
API_PATIENCE_SECONDS = 300
MAX_PAUSE_SECONDS = 10
# A driver or pod gets 30 s to end, and its dependents are deleted before it.
DELETION_SECONDS = 180
DELETION_POLL_SECONDS = 1.0
# Lines are read again from so many seconds before the last read, because the clocks of a node and of Airflow differ.
LOG_OVERLAP_SECONDS = 60
log = logging.getLogger(__name__)


def is_transient(error: BaseException) -> bool:
    """Whether a request to the API server can succeed if it is repeated: no connection, overload, an error of the server."""
    if isinstance(error, ApiException):
        return error.status == 429 or (error.status or 0) >= 500
    return isinstance(error, HTTPError)


patiently = retry(
    retry=retry_if_exception(is_transient),
    stop=stop_after_delay(API_PATIENCE_SECONDS),
    wait=wait_exponential(multiplier=0.5, max=MAX_PAUSE_SECONDS),
    before_sleep=before_sleep_log(log, logging.WARNING),
    reraise=True,
)


def is_present(request: Callable[[], Any]) -> bool:
    """Sends a request about one object, patiently. Returns whether the object exists: False if the server answers 404."""
    try:
        patiently(request)()
    except ApiException as error:
        if error.status != 404:
            raise
        return False
    return True


def wait_until_deleted(name: str, exists: Callable[[], bool]) -> None:
    """Wait until an object of an earlier try is gone. Raises AirflowException after DELETION_SECONDS."""
    deadline = time.monotonic() + DELETION_SECONDS
    while exists():
        if time.monotonic() > deadline:
            raise AirflowException(
                f"{name} of an earlier try still exists {DELETION_SECONDS} s after its deletion: look at its finalizers and its node"
            )
        time.sleep(DELETION_POLL_SECONDS)


@dataclass(frozen=True)
class CustomResources:
    """Custom resources of one kind in one namespace. `client` is the CustomObjectsApi of the Kubernetes client."""

    client: Any
    group: str
    version: str
    namespace: str
    plural: str

    @patiently
    def apply(self, name: str, manifest: dict[str, Any]) -> None:
        """Creates or updates a resource by server-side apply."""
        self.client.patch_namespaced_custom_object(*self._path(name), manifest, **rayjob_specs.SERVER_SIDE_APPLY)

    @patiently
    def get(self, name: str) -> dict[str, Any] | None:
        """Returns a resource, or None if it does not exist."""
        try:
            return dict(self.client.get_namespaced_custom_object(*self._path(name)))
        except ApiException as error:
            if error.status != 404:
                raise
            return None

    def list_or_none(self, label_selector: str) -> list[dict[str, Any]]:
        """Returns the resources with these labels; none if the API server does not list them now."""
        path = (self.group, self.version, self.namespace, self.plural)
        try:
            return list(self.client.list_namespaced_custom_object(*path, label_selector=label_selector)["items"])
        except (ApiException, HTTPError) as error:
            log.warning("cannot list %s: %s", self.plural, error)
            return []

    def status(self, name: str) -> dict[str, Any]:
        """Returns the status of a resource; empty until its operator has set one. Raises AirflowException if it does not exist."""
        resource = self.get(name)
        if resource is None:
            raise AirflowException(f"{self.plural}/{name} does not exist in namespace {self.namespace}: somebody deleted it")
        return dict(resource.get("status", {}))

    def delete(self, name: str) -> bool:
        """Deletes a resource and, before it, its pods. Returns whether it existed."""
        return is_present(lambda: self.client.delete_namespaced_custom_object(*self._path(name), propagation_policy="Foreground"))

    def delete_if_possible(self, name: str) -> None:
        """Deletes a resource that has ended; without a response of the API server it stays, and the result of its job counts."""
        try:
            self.delete(name)
        except (ApiException, HTTPError) as error:
            log.warning("cannot delete %s/%s: %s", self.plural, name, error)

    def delete_and_wait(self, name: str) -> None:
        """Deletes a resource if it exists, and waits until it and its pods are gone."""
        if self.delete(name):
            wait_until_deleted(name, lambda: is_present(lambda: self.client.get_namespaced_custom_object(*self._path(name))))

    def _path(self, name: str) -> tuple[str, str, str, str, str]:
        return self.group, self.version, self.namespace, self.plural, name


@dataclass
class JobLog:
    """The output of the pods of a Kubernetes Job, each line once. `client` is the CoreV1Api of the Kubernetes client."""

    client: Any
    namespace: str
    job: str
    # Time of the newest line that was read of each pod, and when it was read.
    _newest: dict[str, str] = field(default_factory=dict)
    _read_at: dict[str, float] = field(default_factory=dict)

    def new_lines(self) -> list[str]:
        """Returns the lines since the last call; none while the log cannot be read, because a job does not fail for its log."""
        try:
            pods = self.client.list_namespaced_pod(self.namespace, label_selector=f"batch.kubernetes.io/job-name={self.job}").items
            pods.sort(key=lambda pod: pod.metadata.creation_timestamp)
            return [line for pod in pods for line in self._lines_of(pod.metadata.name)]
        except (ApiException, HTTPError) as error:
            # Status 400: the container has not started.
            log.debug("cannot read the log of job %s: %s", self.job, error)
            return []

    def _lines_of(self, pod: str) -> list[str]:
        started, options = time.monotonic(), {}
        if pod in self._read_at:
            options["since_seconds"] = int(started - self._read_at[pod]) + LOG_OVERLAP_SECONDS
        response = self.client.read_namespaced_pod_log(pod, self.namespace, timestamps=True, _preload_content=False, **options)
        newest = self._newest.get(pod, "")
        stamped = [line.partition(" ") for line in response.data.decode(errors="replace").splitlines()]
        new = [(stamp, line) for stamp, _, line in stamped if stamp > newest]
        self._read_at[pod] = started
        if new:
            self._newest[pod] = new[-1][0]
        return [line for _, line in new]
