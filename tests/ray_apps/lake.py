"""A local stack of S3, Nessie and the Ray head for the tests of the Ray jobs, and what the tests read and write there."""

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
    """A running stack."""

    settings: Settings

    def catalog(self, ref: str = "main") -> RestCatalog:
        """The Iceberg catalog at a ref."""
        return RestCatalog("nessie", **self.settings.pyiceberg(ref))

    def rows(self, table: str, ref: str = "main") -> list[dict[str, Any]]:
        """All rows of a table."""
        rows: list[dict[str, Any]] = self.catalog(ref).load_table(table).scan().to_arrow().to_pylist()
        return rows

    def nessie(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to Nessie's REST API. Returns the JSON response."""
        headers = {"Content-Type": "application/json"}
        request = Request(f"{self.settings.nessie_uri}/api/v2/{path}", json.dumps(body).encode() if body else None, headers, method=method)
        with urlopen(request, timeout=60) as response:
            return json.load(response)

    def ref(self, name: str, kind: str) -> str:
        """Create a branch or tag at main. Returns its commit."""
        main = self.nessie("GET", "trees/main")["reference"]
        return str(self.nessie("POST", f"trees?name={name}&type={kind}", main)["reference"]["hash"])

    def messages(self) -> list[str]:
        """The messages of the newest commits on main, the newest first."""
        entries = self.nessie("GET", "trees/main/history?max-records=5")["logEntries"]
        return [entry["commitMeta"]["message"] for entry in entries]

    def fill(self, lists: list[list[int]]) -> None:
        """Write sessions of these items, one started each minute."""
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
        """Read the receipt at `receipt_uri(name)`."""
        return Receipt.from_json(read_bytes(self.receipt_uri(name), self.settings).decode())

    def receipt_uri(self, name: str) -> str:
        """The URI of a receipt."""
        return f"s3://{self.settings.s3_bucket}/receipts/{name}.json"

    def job(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request, with the token, to the Job REST API of the Ray head. Returns the JSON response."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {Path(self.settings.ray_token_file).read_text()}"}
        request = Request(f"{self.settings.ray_uri}/api/jobs/{path}", json.dumps(body).encode() if body else None, headers, method=method)
        with urlopen(request, timeout=60) as response:
            return json.load(response)


def start(home: Path) -> Iterator[Lake]:
    """Start a stack on free ports and remove it afterwards; TEST_STACK_DIR names a running one to use instead."""
    from tests.ports import free_ports

    existing = os.environ.get("TEST_STACK_DIR")
    ports = {f"CLICKSTREAM_{name.upper()}": str(port) for name, port in free_ports().items()}
    env = {**os.environ, **ports, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "CLICKSTREAM_STACK_DIR": str(home)}
    stack = [str(TOOLS), "-m", "tools.localstack"]
    try:
        if not existing:
            subprocess.run([*stack, "up", "--only", "s3,nessie,ray"], cwd=ROOT, env=env, check=True)
        yield Lake(Settings.from_env(read_env_file(Path(existing or home) / "settings.env")))
    finally:
        if not existing:
            subprocess.run([*stack, "clean"], cwd=ROOT, env=env, check=False)
