"""supervisord of one stack: its configuration, its start, and its answers over a private socket."""

import hashlib
import json
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from tools.localstack.layout import Stack, write_private
from tools.localstack.part import Part

BIN = Path(sys.executable).parent


class NotRunning(RuntimeError):
    """The stack's supervisor does not answer."""


def client(stack: Stack) -> Any:
    """supervisord's XML-RPC interface. Raises NotRunning when nothing listens on the socket."""
    transport = SupervisorTransport(None, None, f"unix://{stack.socket}")
    proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    try:
        proxy.supervisor.getState()
    except (OSError, xmlrpc.client.Fault) as error:
        raise NotRunning(f"the stack in {stack.dir} is not running") from error
    return proxy.supervisor


def start(stack: Stack, parts: list[Part]) -> Any:
    """A supervisor that knows `parts` as they are described now; none of them is started by this."""
    text = _config(stack, parts)
    path = stack.folder("run") / "supervisord.conf"
    changed = not path.exists() or path.read_text() != text
    if changed:
        write_private(path, text)
    try:
        supervisor = client(stack)
    except NotRunning:
        return _spawn(stack, path)
    if changed:
        _apply(supervisor)
    return supervisor


def _spawn(stack: Stack, config: Path) -> Any:
    stack.folder("logs")
    stack.socket.unlink(missing_ok=True)
    env = stack.environment("supervisord", {})
    subprocess.run([BIN / "supervisord", "-c", config], env=env, cwd=stack.dir, check=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while True:
        try:
            return client(stack)
        except NotRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _apply(supervisor: Any) -> None:
    """Stop and forget parts whose description changed; the start that follows brings them back as they are now."""
    [[added, changed, removed]] = supervisor.reloadConfig()
    for name in changed + removed:
        supervisor.stopProcessGroup(name)
        supervisor.removeProcessGroup(name)
    for name in added + changed:
        supervisor.addProcessGroup(name)


def _config(stack: Stack, parts: list[Part]) -> str:
    run = stack.folder("run")
    head = f"""[supervisord]
logfile={_quote(stack.log("supervisord"))}
logfile_maxbytes=1MB
logfile_backups=1
pidfile={_quote(run / "supervisord.pid")}
childlogdir={_quote(stack.folder("logs"))}
umask=077
nocleanup=true
[unix_http_server]
file={_quote(stack.socket)}
chmod=0600
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_program(stack, part) for part in parts)


def _program(stack: Stack, part: Part) -> str:
    spec = stack.folder("run", "parts") / f"{part.name}.json"
    body = {"argv": part.argv, "home": str(part.home), "env": stack.environment(part.name, part.env)}
    text = json.dumps(body, sort_keys=True)
    write_private(spec, text)
    # The digest makes supervisord notice a part whose description changed.
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    command = shlex.join([sys.executable, "-S", str(Path(__file__).with_name("launch.py")), str(spec), digest])
    return f"""[program:{part.name}]
command={_quote(command)}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopasgroup=true
killasgroup=true
stopwaitsecs={part.stop_seconds}
redirect_stderr=true
stdout_logfile={_quote(stack.log(part.name))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def _quote(text: object) -> str:
    """supervisord reads % as the start of an expression."""
    return str(text).replace("%", "%%")


def states(stack: Stack) -> dict[str, dict[str, Any]]:
    """What supervisord knows of each part, by name; empty when it does not run."""
    try:
        return {row["name"]: row for row in client(stack).getAllProcessInfo()}
    except NotRunning:
        return {}
