"""supervisord of one stack: its configuration, its start, and its XML-RPC interface over a private socket."""

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

from tools.localstack import code, layout
from tools.localstack.layout import Stack, write_private
from tools.localstack.units import Component

BIN = Path(sys.executable).parent
START_SECONDS = 20


class NotRunning(RuntimeError):
    """The stack's supervisord does not respond."""


def client(stack: Stack) -> Any:
    """Returns supervisord's XML-RPC interface. Raises NotRunning when nothing listens on the socket."""
    transport = SupervisorTransport(None, None, f"unix://{stack.socket}")
    proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    try:
        proxy.supervisor.getState()
    except (OSError, xmlrpc.client.Fault) as error:
        raise NotRunning(f"the local stack in {stack.dir} is not running: `make up` starts it") from error
    return proxy.supervisor


def start(stack: Stack, components: list[Component]) -> Any:
    """Start supervisord, or reload it, with `components` as they are described now; returns its interface. Starts no component."""
    text = _config(stack, components)
    path = stack.folder("run") / "supervisord.conf"
    has_changed = not path.exists() or path.read_text() != text
    if has_changed:
        write_private(path, text)
    try:
        supervisor = client(stack)
    except NotRunning:
        return _spawn(stack, path)
    if has_changed:
        _reload(supervisor)
    return supervisor


def _spawn(stack: Stack, config: Path) -> Any:
    stack.folder("logs")
    stack.folder("tmp")
    stack.socket.unlink(missing_ok=True)
    env = stack.environment({})
    subprocess.run([BIN / "supervisord", "-c", config], env=env, cwd=stack.dir, check=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return client(stack)
        except NotRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _reload(supervisor: Any) -> None:
    """Stop components whose description changed; the start that follows brings them back with the new one."""
    [[added, changed, removed]] = supervisor.reloadConfig()
    for name in changed + removed:
        supervisor.stopProcessGroup(name)
        supervisor.removeProcessGroup(name)
    for name in added + changed:
        supervisor.addProcessGroup(name)


def _config(stack: Stack, components: list[Component]) -> str:
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
    return head + "".join(_program(stack, component) for component in components)


def _program(stack: Stack, component: Component) -> str:
    path = stack.folder("run", "components") / f"{component.name}.json"
    env = stack.environment(component.env) | {layout.COMPONENT: component.name}
    specification = {"argv": component.argv, "home": str(component.home), "env": env, "all_processes": component.all_processes}
    text = json.dumps(specification, sort_keys=True)
    write_private(path, text)
    # With the digest in the command, supervisord notices a component whose description or code changed.
    digest = hashlib.sha256(f"{text}{code.digest(component.code)}".encode()).hexdigest()[:12]
    command = shlex.join([sys.executable, "-S", str(Path(__file__).with_name("launch.py")), str(path), digest])
    return f"""[program:{component.name}]
command={_quote(command)}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopasgroup=true
killasgroup=true
stopwaitsecs={component.stop_seconds}
redirect_stderr=true
stdout_logfile={_quote(stack.log(component.name))}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
"""


def _quote(text: object) -> str:
    """Escapes %, which supervisord reads as the start of an expression."""
    return str(text).replace("%", "%%")


def states(stack: Stack) -> dict[str, dict[str, Any]]:
    """Returns supervisord's process information by component name; empty when it does not run."""
    try:
        return {info["name"]: info for info in client(stack).getAllProcessInfo()}
    except NotRunning:
        return {}
