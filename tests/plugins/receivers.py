"""Receivers of notifications on this machine: an HTTP server that keeps what it gets, and a mail server."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """Answers each POST with the next of `statuses`, the last one for ever, and keeps path, headers and body."""

    statuses: list[int] = field(default_factory=lambda: [200])
    requests: list[dict[str, Any]] = field(default_factory=list)
    uri: str = ""

    @property
    def bodies(self) -> list[Any]:
        return [request["body"] for request in self.requests]


@contextmanager
def webhook(*statuses: int, host: str = "127.0.0.1") -> Iterator[Webhook]:
    """Runs an HTTP server on an address of this machine."""
    state = Webhook(list(statuses) or [200])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            status = state.statuses[min(len(state.requests), len(state.statuses) - 1)]
            state.requests.append({"path": self.path, "headers": dict(self.headers), "body": json.loads(text)})
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with _serving(ThreadingHTTPServer((host, 0), Handler)) as port:
        state.uri = f"http://{host}:{port}"
        yield state


@dataclass
class Mailbox:
    """Mails that a mail server accepted: the recipients and the whole text of each."""

    port: int = 0
    mails: list[tuple[list[str], str]] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Runs a mail server without TLS and login."""
    mailbox = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recipients: list[str] = []
            self._say("220 ready")
            for line in self.rfile:
                command = line.decode().strip()
                if command.upper().startswith("RCPT TO:"):
                    recipients.append(command[8:].strip("<> "))
                if command.upper() == "DATA":
                    self._say("354 go on")
                    mailbox.mails.append((recipients, self._data()))
                self._say("221 bye" if command.upper() == "QUIT" else "250 ok")

        def _data(self) -> str:
            lines = []
            for line in self.rfile:
                if line == b".\r\n":
                    break
                lines.append(line.decode())
            return "".join(lines)

        def _say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with _serving(Server(("127.0.0.1", 0), Handler)) as port:
        mailbox.port = port
        yield mailbox


@contextmanager
def _serving(server: Any) -> Iterator[int]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
