"""The folders and files of a stack, and the settings that follow from its ports."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clickstream_contracts.settings import Settings, SettingsError, read_env_file
from tools.localstack import folders, running_stacks

ROOT = Path(__file__).resolve().parents[2]
# Every process of a stack has this variable, so that those which remain can be recognised.
MARKER = running_stacks.MARKER
# The name of the component that a process belongs to.
COMPONENT = "STACK_COMPONENT"
# What components inherit from the caller. A short list keeps a component's environment, and so its digest, equal from one `up` to
# the next; proxies are not on it, because a stack's processes reach each other on 127.0.0.1.
INHERITED = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TZ", "USER")


@dataclass(frozen=True)
class Stack:
    """One stack: its resolved settings, and its files below `dir`."""

    settings: Settings

    @cached_property
    def dir(self) -> Path:
        return Path(self.settings.stack_dir)

    @property
    def settings_file(self) -> Path:
        return self.dir / "settings.env"

    @property
    def tmp(self) -> Path:
        """The folder for the temporary files of all processes; `down` empties it."""
        return self.dir / "tmp"

    @property
    def socket(self) -> Path:
        return self.dir / "run" / "supervisor.sock"

    def folder(self, *names: str) -> Path:
        """Returns a folder below the stack's, created if missing, with permissions for its owner only."""
        path = self.dir.joinpath(*names)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def log(self, component: str) -> Path:
        return self.dir / "logs" / f"{component}.log"

    def secret(self, name: str) -> str:
        """Returns a secret of the stack, generated at first use."""
        path = self.folder("secrets") / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text().strip()

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Returns the whole environment of one process of the stack, with its own variables `extra`."""
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        own = {MARKER: str(self.dir), "TMPDIR": str(self.tmp)}
        return inherited | self.settings.to_env() | own | dict(extra)


def installed(folder: str, pattern: str) -> Path:
    """Returns the first file below `folder` that matches; before the set-up has run, a path that does not exist."""
    base = ROOT / folder
    return next(iter(sorted(base.glob(pattern))), base / pattern)


def write_private(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.", delete=False) as draft:
        draft.write(text)
    Path(draft.name).replace(path)


def resolve(settings: Settings) -> Settings:
    """Returns the settings for the stack's processes: absolute paths, and addresses that follow from the ports."""
    folder = Path(settings.stack_dir).resolve()
    own: dict[str, Any] = {
        "stack_dir": str(folder),
        "data_dir": str((ROOT / settings.data_dir).resolve()),
        "kafka_bootstrap": f"127.0.0.1:{settings.kafka_port}",
        "nessie_uri": f"http://127.0.0.1:{settings.nessie_port}",
        "flink_uri": f"http://127.0.0.1:{settings.flink_port}",
        "serve_uri": f"http://127.0.0.1:{settings.serve_port}",
        "serve_token_file": str(folder / "secrets" / "serve_token"),
        "spark_master": f"spark://127.0.0.1:{settings.spark_port}",
        # A Spark Connect client sends its token without TLS only to the host name localhost.
        "spark_remote": f"sc://localhost:{settings.spark_connect_port}",
        "spark_token_file": str(folder / "secrets" / "spark_token"),
        "ray_uri": f"http://127.0.0.1:{settings.ray_dashboard_port}",
        "ray_token_file": str(folder / "secrets" / "ray_token"),
    }
    if settings.s3_server == "external":
        names = ("s3_access_key_file", "s3_secret_key_file")
        keys: dict[str, Any] = {name: str(Path(getattr(settings, name)).resolve()) for name in names}
        return replace(settings, **own, **keys)
    keys = {f"{name}_file": str(folder / "secrets" / name) for name in ("s3_access_key", "s3_secret_key")}
    return replace(settings, **own, **keys, s3_endpoint=f"http://127.0.0.1:{settings.s3_port}", s3_credentials="files")


def running(stack_dir: str | Path) -> Settings:
    """Returns the settings with which the stack in `stack_dir` was last started. Raises SettingsError if it never was."""
    path = Path(stack_dir) / "settings.env"
    if not path.exists():
        raise SettingsError(f"no local stack was started in {stack_dir}: run `make up`")
    return Settings.from_env(read_env_file(path))


def save(stack: Stack) -> None:
    """Write the settings that `running` reads, and the S3 keys unless S3 is external.

    Raises SettingsError when the folder holds other files than a stack's, or the stack cannot work in it.
    """
    problem = folders.problem(stack.dir, "CLICKSTREAM_STACK_DIR") or folders.socket_problem(stack.dir)
    if problem:
        raise SettingsError(": ".join(problem))
    if not stack.settings_file.exists() and stack.dir.exists() and any(stack.dir.iterdir()):
        raise SettingsError(f"CLICKSTREAM_STACK_DIR={stack.dir} holds files that are not a stack's: name an empty or a new folder")
    stack.folder()
    stack.dir.chmod(0o700)
    if stack.settings.s3_server != "external":
        stack.secret("s3_access_key")
        stack.secret("s3_secret_key")
    stack.secret("serve_token")
    text = "".join(f"{key}={value}\n" for key, value in stack.settings.to_env().items())
    if not stack.settings_file.exists() or stack.settings_file.read_text() != text:
        write_private(stack.settings_file, text)
