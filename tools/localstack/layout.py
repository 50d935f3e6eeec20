"""Where the stack keeps its things, and the settings that its ports imply."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from clickstream_contracts.settings import Settings, SettingsError, read_env_file

ROOT = Path(__file__).resolve().parents[2]
# Every process of a stack carries this variable, so that an orphan can be told from a stranger.
MARKER = "STACK_PROCESS_OF"
# What parts inherit from the caller; a short list keeps a part's environment equal from one `up` to the next.
INHERITED = ("HOME", "JAVA_HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER")


@dataclass(frozen=True)
class Stack:
    """One stack: its resolved settings and the folders of its parts."""

    settings: Settings

    @cached_property
    def dir(self) -> Path:
        return Path(self.settings.stack_dir)

    @property
    def settings_file(self) -> Path:
        return self.dir / "settings.env"

    @property
    def socket(self) -> Path:
        return self.dir / "run" / "supervisor.sock"

    def folder(self, *names: str) -> Path:
        """A folder below the stack's, made if missing; only its owner can look in."""
        path = self.dir.joinpath(*names)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def log(self, part: str) -> Path:
        return self.dir / "logs" / f"{part}.log"

    def secret(self, name: str) -> str:
        """A secret of the stack, generated at first use."""
        path = self.folder("secrets") / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(32))
        return path.read_text().strip()

    def environment(self, part: str, extra: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of one part."""
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        return inherited | self.settings.to_env() | {MARKER: str(self.dir), "STACK_PART": part} | dict(extra)


def installed(folder: str, pattern: str) -> Path:
    """What the set-up put below `folder`; where it has not run yet, a path that does not exist."""
    home = ROOT / folder
    return next(iter(sorted(home.glob(pattern))), home / pattern)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f"{path.name}.", delete=False) as draft:
        draft.write(text)
    Path(draft.name).replace(path)


def resolve(settings: Settings) -> Settings:
    """The settings that the stack hands to its processes: absolute paths, and addresses that follow the ports."""
    home = Path(settings.stack_dir).resolve()
    own: dict[str, Any] = {
        "stack_dir": str(home),
        "data_dir": str(Path(settings.data_dir).resolve()),
        "kafka_bootstrap": f"127.0.0.1:{settings.kafka_port}",
        "nessie_uri": f"http://127.0.0.1:{settings.nessie_port}",
        "flink_uri": f"http://127.0.0.1:{settings.flink_port}",
        "serve_uri": f"http://127.0.0.1:{settings.serve_port}",
        "serve_token_file": str(home / "secrets" / "serve_token"),
        "spark_master": f"spark://127.0.0.1:{settings.spark_port}",
        # A client gives its token without TLS to a host of this name only.
        "spark_remote": f"sc://localhost:{settings.spark_connect_port}",
        "spark_token_file": str(home / "secrets" / "spark_token"),
        "ray_uri": f"http://127.0.0.1:{settings.ray_dashboard_port}",
        "ray_token_file": str(home / "secrets" / "ray_token"),
    }
    if settings.s3_server == "external":
        keys: dict[str, Any] = {name: str(Path(getattr(settings, name)).resolve()) for name in ("s3_access_key_file", "s3_secret_key_file")}
        return replace(settings, **own, **keys)
    keys = {f"{name}_file": str(home / "secrets" / name) for name in ("s3_access_key", "s3_secret_key")}
    return replace(settings, **own, **keys, s3_endpoint=f"http://127.0.0.1:{settings.s3_port}")


def running(stack_dir: str | Path) -> Settings:
    """The settings of the stack in `stack_dir`, as it was last started."""
    path = Path(stack_dir) / "settings.env"
    if not path.exists():
        raise SettingsError(f"no stack was started in {stack_dir}: run `make up` first")
    return Settings.from_env(read_env_file(path))


def save(stack: Stack) -> None:
    """Write the settings that `running` reads, and the S3 keys if they are the stack's own. Never in somebody else's folder."""
    if not stack.settings_file.exists() and stack.dir.exists() and any(stack.dir.iterdir()):
        raise SettingsError(f"CLICKSTREAM_STACK_DIR={stack.dir} holds files, and none of a stack: name an empty or a new folder")
    stack.folder()
    stack.dir.chmod(0o700)
    if stack.settings.s3_server != "external":
        stack.secret("s3_access_key")
        stack.secret("s3_secret_key")
    stack.secret("serve_token")
    text = "".join(f"{key}={value}\n" for key, value in stack.settings.to_env().items())
    if not stack.settings_file.exists() or stack.settings_file.read_text() != text:
        write_private(stack.settings_file, text)
