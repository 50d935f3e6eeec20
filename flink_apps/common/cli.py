"""The command line of every stream: print its statements or the hash of its definition, or submit its job to the cluster.

    python -m flink_apps.STREAM --print     print the rendered SQL
    python -m flink_apps.STREAM --hash      print the hash of the definition that this code and these settings make

A Flink cluster starts the module (PythonDriver -pym) without these options: it submits the job and returns.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clickstream_contracts import names
from clickstream_contracts.settings import Settings
from flink_apps.common import connectors
from flink_apps.common.connectors import Options

FLINK_APPS = Path(__file__).parents[1]
SESSION = Path(__file__).with_name("session.py")
# By topic and partition, the offset of the first record to read.
Offsets = dict[str, dict[int, int]]


class DefinitionError(ValueError):
    """The saved statements of a definition cannot run with this code."""


class DefinitionMismatch(ValueError):
    """The requested definition is not the one that this code and these settings make."""


@dataclass(frozen=True)
class Stream:
    """A Flink job: its statements, rendered without an engine, and where it starts to read when it has no state.

    name: the job's name, also its module below flink_apps.
    render: returns the statements, whose Jinja expressions are filled at submission (see connectors.py).
    topics: by Kafka source table of the statements that has a start position, the topic it reads.
    uses_lake: whether the statements use the Iceberg catalog `lake`.
    look_back_seconds: without state, read from so long before now; None reads from given offsets or the earliest one.
    emit_seconds: of what it reads without state, the stream emits results only for the last so many seconds.
    checkpoint_factor: checkpoint interval in units of CLICKSTREAM_CHECKPOINT_SECONDS. A checkpoint costs the object store
        several requests even when the stream is idle.
    options: Flink options beside those of `session.job_options`.
    java_functions: names of the Java classes in flink_apps/java that the statements call.
    """

    name: str
    render: Callable[[Settings], str]
    topics: dict[str, str]
    uses_lake: bool = True
    look_back_seconds: int | None = None
    emit_seconds: int = 0
    checkpoint_factor: int = 1
    options: dict[str, str] = field(default_factory=dict)
    java_functions: tuple[str, ...] = ()

    def definition(self, settings: Settings) -> str:
        """Returns the SHA-256 of everything that shapes the job: statements, parallelism, options, session and Java sources."""
        sizes = f"{settings.flink_parallelism} {self.checkpoint_factor * settings.checkpoint_seconds}"
        options = [f"{key}: {value}" for key, value in sorted(self.options.items())]
        sources = [SESSION, *(java_source(name) for name in self.java_functions)]
        texts = [self.render(settings), sizes, *options, *(path.read_text() for path in sources)]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def submission_values(self, settings: Settings, offsets: Offsets, without_state: bool = False) -> dict[str, Any]:
        """Returns what fills the Jinja expressions of the statements. A checkpoint or savepoint wins over the start position."""
        startup = {table: connectors.one_line(self._startup(offsets.get(topic, {}))) for table, topic in self.topics.items()}
        connection = connectors.one_line(connectors.kafka_connection(settings))
        emit_from = int((time.time() - self.emit_seconds) * 1000) if without_state else 0
        return vars(settings) | {"startup": startup, "kafka_connection": connection, "emit_from": emit_from}

    def _startup(self, offsets: dict[int, int]) -> Options:
        if self.look_back_seconds is not None:
            return connectors.from_timestamp(int((time.time() - self.look_back_seconds) * 1000))
        if offsets:
            return connectors.from_offsets(offsets)
        return connectors.EARLIEST

    def main(self, argv: Sequence[str]) -> int:
        """Print the statements or the definition's hash, or submit the job. Returns the exit code."""
        arguments = self._parser().parse_args(argv)
        try:
            settings = Settings.from_env()
            if arguments.print:
                print(self.render(settings))
            elif arguments.hash:
                print(self.definition(settings))
            elif arguments.check:
                self._checked(arguments.definition, settings)
            else:
                self._submit(settings, arguments)
        except DefinitionMismatch as error:
            return self._fail(error, names.DEFINITION_MISMATCH_EXIT_CODE)
        except ValueError as error:
            return self._fail(error, 2)
        return 0

    def _fail(self, error: ValueError, exit_code: int) -> int:
        print(f"{self.name}: {error}", file=sys.stderr)
        return exit_code

    def _submit(self, settings: Settings, arguments: argparse.Namespace) -> None:
        definition, statements_uri = arguments.definition, arguments.statements
        if not statements_uri:
            definition = self._checked(definition, settings)
        # PyFlink is imported only here: --print and --hash also run where it is not installed.
        from flink_apps.common import filesystem, lake, session

        tables = session.table_environment(session.job_options(settings, self.name, definition, self.checkpoint_factor) | self.options)
        if statements_uri:
            text = filesystem.read_text(statements_uri)
            check_saved_statements(statements_uri, text)
        else:
            text = self.render(settings)
        if self.uses_lake:
            lake.register_catalog(tables, settings)
        job = session.statement_set(tables, text, self.submission_values(settings, arguments.offsets, arguments.without_state))
        filesystem.write_text(f"s3://{settings.s3_bucket}/{names.saved_statements_key(self.name, definition)}", text)
        job.execute()

    def _checked(self, requested: str, settings: Settings) -> str:
        """Returns this code's definition. Raises DefinitionMismatch when another one was requested."""
        own = self.definition(settings)
        if requested not in ("", own):
            raise DefinitionMismatch(
                f"definition {requested[:12]} was requested, but the code and the settings of this image make {own[:12]}:"
                " deploy the same version and the same CLICKSTREAM_* settings to Airflow and to Flink"
            )
        return own

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=self.name, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--print", action="store_true", help="print the rendered SQL and stop")
        parser.add_argument("--hash", action="store_true", help="print the hash of the definition and stop")
        parser.add_argument("--check", action="store_true", help="compare --definition with the one of this code and stop")
        parser.add_argument("--definition", default="", help="hash to run as; exit code 3 when this code makes another one")
        parser.add_argument("--statements", default="", help="URI of the saved statements of an earlier definition, to run those instead")
        parser.add_argument("--offsets", default="{}", type=_offsets, help='start offsets without state, as JSON: {"clicks.v1": {"0": 9}}')
        parser.add_argument("--without-state", action="store_true", help="the job starts from no checkpoint and no savepoint")
        return parser


def java_source(name: str) -> Path:
    """Returns the source file of a Java function."""
    return FLINK_APPS / "java" / "io" / "clickstream" / f"{name}.java"


def check_saved_statements(uri: str, text: str) -> None:
    """Raises DefinitionError for statements that were saved before they were Jinja templates: no address would be filled in."""
    if connectors.KAFKA_CONNECTION not in text and connectors.KAFKA_BOOTSTRAP not in text:
        raise DefinitionError(
            f"the saved statements {uri} do not hold {connectors.KAFKA_CONNECTION}: an earlier version of the code wrote them;"
            " deploy that version to run them"
        )


def _offsets(text: str) -> Offsets:
    try:
        topics = json.loads(text)
        return {topic: {int(partition): int(offset) for partition, offset in offsets.items()} for topic, offsets in topics.items()}
    except (ValueError, TypeError, AttributeError):
        raise argparse.ArgumentTypeError(f'{text!r} is not a JSON object of offsets: write it like {{"clicks.v1": {{"0": 9}}}}') from None
