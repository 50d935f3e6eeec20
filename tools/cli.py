"""The one command line of the project, `./clickstream`. A command's module is imported when the command runs, so that --help is fast."""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from tools.common.command import run_app


@dataclass(frozen=True)
class Entry:
    """One command: its line in the help page, and either the module whose `app` it is or the commands below it."""

    help: str
    module: str = ""
    commands: Mapping[str, "Entry"] = field(default_factory=dict)

    def is_installed(self) -> bool:
        """Whether the module is installed: the image of the cluster's tools leaves out what only a laptop needs."""
        package = self.module.rpartition(".")[0] or self.module
        return not self.module or importlib.util.find_spec(package) is not None


COMMANDS = {
    "stack": Entry("Start, stop and inspect the local stack.", "tools.localstack.__main__"),
    "demo": Entry("Start everything and run the whole pipeline once.", "tools.demo.__main__"),
    "shop": Entry("Send a simulated shop's events, or write them to files.", "tools.shop.__main__"),
    "replay": Entry("Send your own event file.", "tools.replay.__main__"),
    "ledger": Entry("Check that the lake holds exactly what was sent.", "tools.ledger.__main__"),
    "repair": Entry("Ways on when a nightly run is blocked, recorded as data.", "tools.repair.__main__"),
    "refs": Entry("List, compare and drop branches and tags of the lake.", "tools.lake.refs"),
    "trace": Entry("Show where an alert, score, release or model comes from.", "tools.lake.trace"),
    "recommend": Entry("Show how views of products change recommendations.", "tools.rollout.recommend"),
    "rollout": Entry("Change a rollout, or compare its variants.", "tools.rollout.__main__"),
    "fraud": Entry(
        "Judge past events by the fraud rules.",
        commands={"backtest": Entry("Print who the fraud rules flag in a file or in days of the lake.", "tools.fraud.backtest")},
    ),
    "fraud-report": Entry("Count the labelled attacks that the fraud rules detect.", "tools.fraud.report"),
    "lake": Entry(
        "Create the lake's tables and topics, or test them.",
        commands={
            "bootstrap": Entry("Create the bucket, tables and topics that are missing.", "tools.lake.bootstrap"),
            "smoke-test": Entry("Read every table and topic, and print their row counts.", "tools.lake.smoke_test"),
        },
    ),
    "maintenance": Entry("Compact tables; drop old tags, files and states.", "tools.maintenance.__main__"),
    "erase": Entry("Erase a user from the lake.", "tools.erasure.__main__"),
    "airflow": Entry(
        "Maintain Airflow.",
        commands={"clean": Entry("Remove old runs and logs of Airflow.", "tools.localstack.airflow_clean")},
    ),
    "master-data": Entry("Load users, products and currency rates from files.", "tools.lake.master_data"),
    "item-neighbours": Entry("Publish a release's item neighbours to Kafka.", "tools.kafka.item_neighbours"),
    "backup": Entry("Back up the lake and Airflow's metadata.", "tools.backup.__main__"),
    "restore": Entry("Restore the lake and Airflow's metadata from a backup.", "tools.backup.restore"),
    "validate": Entry("Plant events and check the outcomes of a deployment.", "tools.validation.__main__"),
    "docs": Entry("Write the generated pages of docs/.", "tools.docs.__main__"),
}


class LazyGroup(TyperGroup):
    """A group that knows its commands' names and help lines, and imports a command only to run it."""

    entries: Mapping[str, Entry] = COMMANDS

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        installed = {name: entry for name, entry in self.entries.items() if entry.is_installed()}
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in installed.items()}

    def resolve_command(self, context: Any, arguments: list[str]) -> tuple[str | None, Any, list[str]]:
        """Returns the command that `arguments` begin with, imported now, and the arguments left for it."""
        name, placeholder, rest = super().resolve_command(context, arguments)
        if name is None or placeholder is None:
            return name, placeholder, rest
        return name, load(name, self.entries[name]), rest


def load(name: str, entry: Entry) -> Any:
    """Returns the command or group of an entry."""
    if entry.commands:
        group = type("NestedGroup", (LazyGroup,), {"entries": entry.commands})
        return group(name=name, help=entry.help, no_args_is_help=True, rich_markup_mode=None)
    command = typer.main.get_command(importlib.import_module(entry.module).app)
    command.name = name
    return command


app = typer.Typer(cls=LazyGroup, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def root() -> None:
    """Clickstream Analyzer: the local stack, simulated and replayed events, the lake, models and fraud reports."""


def main() -> None:
    """Run the command that the arguments name."""
    run_app(app, "clickstream")


if __name__ == "__main__":
    main()
