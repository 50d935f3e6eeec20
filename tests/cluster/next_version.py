"""Writes the source of a changed next version of the project, for the images that the upgrade test deploys.

python -m tests.cluster.next_version FOLDER

FOLDER gets a clone of the last commit with another version number, an optional field in the contract of clicks and in the tables of
events, and another version of the fraud rules. `FOLDER/scripts/build-images.sh` builds its images.
"""

import argparse
import subprocess
from pathlib import Path

from tests.manifests.rendered import ROOT

VERSION, CHANGED_VERSION = "0.1.0", "0.2.0"
COLUMN = "campaign"
CONTRACTS = "contracts/clickstream_contracts"
EVENT_CONTRACTS = ("events/click.v1.yaml", "tables/raw.clicks.yaml", "tables/curated.events.yaml")
BEFORE = "      - name: user_agent\n"
FIELD = f"""\
      - name: {COLUMN}
        logicalType: string
        physicalType: string
        description: "Campaign that led to the visit."
        examples: ["spring"]
        logicalTypeOptions: {{maxLength: 128}}
"""
RULES = f"{CONTRACTS}/rules/fraud.yaml"
CHANGES = [
    ("pyproject.toml", f'\nversion = "{VERSION}"', f'\nversion = "{CHANGED_VERSION}"'),
    *((f"{CONTRACTS}/{contract}", BEFORE, FIELD + BEFORE) for contract in EVENT_CONTRACTS),
    (RULES, 'version: "5"', 'version: "6"'),
    (RULES, "limits: {cards: 10}", "limits: {cards: 12}"),
]


def replace_once(file: Path, text: str, new_text: str) -> None:
    """Replace a text that the file must hold exactly once."""
    content = file.read_text()
    if content.count(text) != 1:
        raise SystemExit(f"error: {file} holds {text!r} {content.count(text)} times, not once: change tests/cluster/next_version.py")
    file.write_text(content.replace(text, new_text))


def write(folder: Path) -> None:
    """Clone the project into `folder`, which must not exist, and change it."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    for file, text, new_text in CHANGES:
        replace_once(folder / file, text, new_text)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="tests.cluster.next_version", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="a folder that does not exist yet")
    write(parser.parse_args().folder)


if __name__ == "__main__":
    main()
