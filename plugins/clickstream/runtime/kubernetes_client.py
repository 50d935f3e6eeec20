"""Requests to the Kubernetes API server: custom resources, deletion that waits, and repetition of requests that can succeed later."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow.sdk.exceptions import AirflowException
from kubernetes.client import ApiException
from tenacity import retry, retry_if_exception, stop_after_delay, wait_exponential
from urllib3.exceptions import HTTPError

from clickstream.runtime import rayjob_specs

# An API server that restarts or is overloaded answers again within this time; a job must not fail for one lost response.
API_PATIENCE_SECONDS = 180
# A driver or pod gets 30 s to end, and its dependents are deleted before it.
DELETION_SECONDS = 180
DELETION_POLL_SECONDS = 1.0


def is_transient(error: BaseException) -> bool:
    """Whether a request to the API server can succeed if it is repeated: no connection, overload, an error of the server."""
    if isinstance(error, ApiException):
        return error.status == 429 or (error.status or 0) >= 500
    return isinstance(error, HTTPError)


patiently = retry(
    retry=retry_if_exception(is_transient),
    stop=stop_after_delay(API_PATIENCE_SECONDS),
    wait=wait_exponential(multiplier=0.5, max=10),
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

    def apply(self, name: str, manifest: dict[str, Any]) -> None:
        """Creates or updates a resource by server-side apply."""
        self.client.patch_namespaced_custom_object(*self._path(name), manifest, **rayjob_specs.SERVER_SIDE_APPLY)

    @patiently
    def status(self, name: str) -> dict[str, Any]:
        """Returns the status of a resource; empty until its operator has set one. Raises ApiException if it does not exist."""
        return dict(self.client.get_namespaced_custom_object(*self._path(name)).get("status", {}))

    def delete(self, name: str) -> bool:
        """Deletes a resource and, before it, its pods. Returns whether it existed."""
        return is_present(lambda: self.client.delete_namespaced_custom_object(*self._path(name), propagation_policy="Foreground"))

    def delete_and_wait(self, name: str) -> None:
        """Deletes a resource if it exists, and waits until it and its pods are gone."""
        if self.delete(name):
            wait_until_deleted(name, lambda: is_present(lambda: self.client.get_namespaced_custom_object(*self._path(name))))

    def _path(self, name: str) -> tuple[str, str, str, str, str]:
        return self.group, self.version, self.namespace, self.plural, name
