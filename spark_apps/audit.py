"""Asks the questions of the folder `audits` about the tables of some namespaces; the good answer to each is no row."""

import argparse
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.schema import tables
from spark_apps.engine import Lake, open_lake
from spark_apps.entry import Opener, Parser, WorkFailed, one_line, parser, run

APP = "audit"
AUDITS = Path(__file__).parent / "audits"
SAMPLE_ROWS = 5
SEVERITIES = ("error", "warn")


@dataclass(frozen=True)
class Audit:
    """One question: its name is a rule of the contract, `meaning` says what a row of its answer means."""

    name: str
    severity: str
    meaning: str
    owner: str
    sql: str


@dataclass(frozen=True)
class Answer:
    """How many rows a question found, with some of them; `crash` when it could not be asked."""

    audit: Audit
    rows: int
    sample: tuple[dict[str, str], ...] = ()
    crash: str = ""

    @property
    def blocks(self) -> bool:
        # An audit that cannot be asked has not passed, however little it matters.
        return bool(self.crash) or (self.rows > 0 and self.audit.severity == "error")


def read(path: Path) -> Audit:
    """One audit from its file. Raises ValueError if its header lacks something."""
    text = path.read_text()
    header = dict(re.findall(r"^-- (severity|meaning|owner): (.+)$", text, re.M))
    missing = [key for key in ("severity", "meaning", "owner") if key not in header]
    if missing or header["severity"] not in SEVERITIES:
        raise ValueError(f"{path.name}: needs the header lines severity ({' or '.join(SEVERITIES)}), meaning and owner")
    return Audit(path.stem, header["severity"], header["meaning"], header["owner"], text)


def audits(folder: Path = AUDITS, namespaces: Sequence[str] = ()) -> list[Audit]:
    """The audits of the namespaces' tables, of all without any. Raises ValueError if there is none: nothing asked is nothing proved."""
    others = [contract for contract in tables().values() if namespaces and contract.namespace not in namespaces]
    # Left out is only what is known to be about others: an audit that no contract names yet is asked everywhere.
    elsewhere = {rule.name for contract in others for rule in contract.rules}
    found = [read(path) for path in sorted(folder.glob("*.sql")) if path.stem not in elsewhere]
    if not found:
        raise ValueError(f"no audit found in {folder}{' for ' * bool(namespaces)}{', '.join(namespaces)}")
    return found


def namespaces(text: str) -> list[str]:
    """Namespaces of the contract, with commas between them."""
    known = sorted({contract.namespace for contract in tables().values()})
    if unknown := sorted(set(text.split(",")) - set(known)):
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no namespace: use some of {','.join(known)}")
    return text.split(",")


def ask(lake: Lake, audit: Audit) -> Answer:
    """Ask one question of the run's branch."""
    try:
        answer = lake.text(audit.sql)
        sample = answer.limit(SAMPLE_ROWS + 1).collect()
        rows = len(sample) if len(sample) <= SAMPLE_ROWS else answer.count()
    except Exception as error:
        return Answer(audit, 0, crash=one_line(error))
    return Answer(audit, rows, tuple({key: str(value) for key, value in row.asDict().items()} for row in sample[:SAMPLE_ROWS]))


def _failure(answer: Answer) -> dict[str, Any]:
    return {"name": answer.audit.name, "meaning": answer.crash or answer.audit.meaning, "sample": list(answer.sample)}


def work(lake: Lake, args: argparse.Namespace, folder: Path = AUDITS) -> Receipt:
    """Ask them, some at once. Raises WorkFailed if an answer blocks the run."""
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda audit: ask(lake, audit), audits(folder, args.namespaces)))
    failures = [answer for answer in answers if answer.blocks]
    receipt = Receipt(
        app=APP,
        run=args.run,
        inputs={"ref": args.ref},
        facts={
            "audits": [{"name": a.audit.name, "severity": a.audit.severity, "rows": a.rows} for a in answers],
            "failures": [_failure(answer) for answer in failures],
        },
        error="; ".join(f"{a.audit.name}: {a.crash or f'{a.rows} rows: {a.audit.meaning}'}" for a in failures),
    )
    if failures:
        raise WorkFailed(receipt)
    return receipt


def arguments() -> Parser:
    """The arguments of this app."""
    found = parser(APP, __doc__ or "")
    found.add_argument("--namespaces", type=namespaces, default=[], help="whose tables' audits to ask, with commas; default all")
    return found


def main(argv: list[str], opener: Opener = open_lake) -> int:
    """Entry point: the arguments without the program's name, the exit code back."""
    return run(APP, arguments(), work, argv, opener)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
