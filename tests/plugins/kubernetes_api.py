"""A small Kubernetes API server for tests: pods and custom resources in memory, over HTTP, with the client's own requests.

A test decides how pods and custom resources behave by `on_create` and `on_get`, and which requests fail by `fail`.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]
CREATED = datetime(2026, 1, 2, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class KubernetesApi:
    """Objects by path, e.g. /api/v1/namespaces/clickstream-tools/pods/x. Pod logs are lists of lines, each with its timestamp."""

    objects: dict[str, Object] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    # Status codes of the next responses to requests of a method and a path that contain these texts; 0 closes the connection.
    failures: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    # Called with each object that is created, and with each one before it is returned.
    on_create: Callable[[Object], None] = lambda created: None
    on_get: Callable[[Object], None] = lambda stored: None
    # Number of GET requests that still return a deleted object.
    deletion_gets: int = 0
    _terminating: dict[str, int] = field(default_factory=dict)

    def fail(self, method: str, path: str, *codes: int) -> None:
        """Let the next requests fail."""
        self.failures[method, path] = list(codes)

    def names(self, plural: str) -> list[str]:
        """Names of the objects of one kind."""
        return [path.rpartition("/")[2] for path in self.objects if path.rsplit("/", 2)[1] == plural]

    def next_failure(self, method: str, path: str) -> int | None:
        for (failing_method, text), codes in self.failures.items():
            if method == failing_method and text in path and codes:
                return codes.pop(0)
        return None

    def respond(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """Returns the status code and the body of a response."""
        path = path.removesuffix("/status")
        if path.endswith("/log"):
            pod = path.split("/")[-2]
            return (200, "".join(f"{line}\n" for line in self.logs[pod])) if pod in self.logs else (400, {"reason": "ContainerCreating"})
        if method == "GET" and path not in self.objects and path.rpartition("/")[2] in ("pods", "events", "rayjobs"):
            return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": self._select(path, query)}
        if method == "POST":
            return self._create(f"{path}/{body['metadata']['name']}", body)
        if method == "PATCH" and path not in self.objects:
            return self._create(path, body)
        self._finish_deletion(path)
        if path not in self.objects:
            return 404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
        if method == "DELETE":
            self.objects[path]["metadata"]["deletionTimestamp"] = CREATED
            self._terminating[path] = self.deletion_gets
        elif method == "GET":
            self.on_get(self.objects[path])
        return 200, self.objects[path]

    def _create(self, path: str, body: Object) -> tuple[int, Any]:
        if path in self.objects:
            return 409, {"kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409}
        body["metadata"] |= {"creationTimestamp": CREATED, "uid": path, "resourceVersion": "1"}
        self.objects[path] = body
        self.on_create(body)
        return 201, body

    def _finish_deletion(self, path: str) -> None:
        if path in self._terminating:
            self._terminating[path] -= 1
            if self._terminating[path] < 0:
                del self._terminating[path], self.objects[path]

    def _select(self, folder: str, query: dict[str, list[str]]) -> list[Object]:
        wanted = [term.split("=", 1) for term in query.get("labelSelector", [""])[0].split(",") if "!=" not in term and "=" in term]
        items = [stored for path, stored in self.objects.items() if path.startswith(f"{folder}/")]
        return [item for item in items if all(item["metadata"].get("labels", {}).get(key) == value for key, value in wanted)]


def serve(api: KubernetesApi, kubeconfig: Path) -> ThreadingHTTPServer:
    """Start the server on a free port in a thread and write a kubeconfig for it. The caller calls `shutdown` and `server_close`."""

    class Handler(BaseHTTPRequestHandler):
        def handle_request(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            api.requests.append(f"{self.command} {parts.path}")
            code = api.next_failure(self.command, parts.path)
            if code == 0:
                self.connection.close()
                return
            if code is None:
                code, body = api.respond(self.command, parts.path, parse_qs(parts.query), json.loads(content) if content else None)
            else:
                body = {"kind": "Status", "status": "Failure", "code": code}
            text = body if isinstance(body, str) else json.dumps(body)
            self.send_response(code)
            self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PATCH = do_DELETE = handle_request

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cluster = {"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
    config = {"clusters": [cluster], "contexts": [context], "users": [{"name": "test", "user": {}}], "current-context": "test"}
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **config}))
    return server
