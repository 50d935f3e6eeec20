"""A real lake for the Ray apps: a stack of S3, Nessie and the Ray head, and sessions to learn from."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pyarrow as pa
from pyiceberg.catalog.rest import RestCatalog

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings, read_env_file
from ray_apps.common.storage import read_bytes
from ray_apps.jobs import training_data

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venvs" / "tools" / "bin" / "python"
START = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Lake:
    """A lake that runs, by the settings of its stack."""

    settings: Settings

    def catalog(self, ref: str = "main") -> RestCatalog:
        """The catalog at a ref."""
        return RestCatalog("nessie", **self.settings.pyiceberg(ref))

    def rows(self, table: str, ref: str = "main") -> list[dict[str, Any]]:
        """All rows of a table."""
        found: list[dict[str, Any]] = self.catalog(ref).load_table(table).scan().to_arrow().to_pylist()
        return found

    def nessie(self, method: str, path: str, body: Any = None) -> Any:
        """One request to Nessie."""
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.settings.nessie_uri}/api/v2/{path}", json.dumps(body).encode() if body else None, headers, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def ref(self, name: str, kind: str) -> str:
        """A new branch or tag at main; its commit."""
        main = self.nessie("GET", "trees/main")["reference"]
        return str(self.nessie("POST", f"trees?name={name}&type={kind}", main)["reference"]["hash"])

    def messages(self) -> list[str]:
        """The messages of main's newest commits, the newest first."""
        entries = self.nessie("GET", "trees/main/history?max-records=5")["logEntries"]
        return [entry["commitMeta"]["message"] for entry in entries]

    def fill(self, lists: list[list[int]]) -> None:
        """Sessions of these items, a minute apart."""
        table = self.catalog().load_table(training_data.TABLE)
        rows = [
            {
                "session_id": f"s-{number}",
                "event_day": date(2026, 1, 2),
                "started_at": START + timedelta(minutes=number),
                "items": [f"p-{item}" for item in items],
            }
            for number, items in enumerate(lists)
        ]
        table.append(pa.Table.from_pylist(rows, table.schema().as_arrow()))

    def receipt(self, name: str) -> Receipt:
        """A receipt of `place(name)`."""
        return Receipt.from_json(read_bytes(self.place(name), self.settings).decode())

    def place(self, name: str) -> str:
        """Where an app writes its receipt."""
        return f"s3://{self.settings.s3_bucket}/receipts/{name}.json"

    def job(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the Job REST of the Ray head, with its token."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {Path(self.settings.ray_token_file).read_text()}"}
        request = Request(f"{self.settings.ray_uri}/api/jobs/{path}", json.dumps(body).encode() if body else None, headers, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.load(answer)


def start(home: Path) -> Iterator[Lake]:
    """A lake of its own on free ports; gone afterwards."""
    from tests.ports import free_ports

    kept = os.environ.get("TEST_STACK_DIR")
    own = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, **own, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(home)}
    stack = [str(TOOLS), "-m", "tools.localstack"]
    try:
        if not kept:
            subprocess.run([*stack, "up", "--only", "s3,nessie,ray"], cwd=ROOT, env=env, check=True)
        yield Lake(Settings.from_env(read_env_file(Path(kept or home) / "settings.env")))
    finally:
        if not kept:
            subprocess.run([*stack, "clean"], cwd=ROOT, env=env, check=False)
