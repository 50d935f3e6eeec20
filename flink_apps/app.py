"""What every stream's command line does alike: print its statements or their hash, or submit it to the cluster.

    python -m flink_apps.APP --print        the statements, for reading
    python -m flink_apps.APP --hash         the definition that this code and these settings make

Started by a Flink cluster (PythonDriver), it submits the job and returns.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clickstream_contracts import names
from clickstream_contracts.settings import Settings

HERE = Path(__file__).parent
# By topic and partition, the offset of the first record to read.
Offsets = dict[str, dict[int, int]]


def java(name: str) -> Path:
    """The source of a function in Java."""
    return HERE / "java" / "io" / "clickstream" / f"{name}.java"


class DefinitionError(ValueError):
    """The asked definition is not the one that this code makes."""


@dataclass(frozen=True)
class App:
    """A stream: its statements, made without an engine, and where it begins to read when it has no state.

    `reads` names the placeholder of each topic's start in the statements. With `look_back_seconds` the stream begins so
    long before now, otherwise at the offsets it is given or at the beginning of the topic. `pace` is its checkpoint interval
    in intervals of the lake job: each checkpoint costs the object store a few requests, also when nothing happens. `options` are
    Flink's, beside those that every job has.
    """

    name: str
    render: Callable[[Settings], str]
    reads: dict[str, str]
    writes_lake: bool = True
    look_back_seconds: int | None = None
    pace: int = 1
    options: dict[str, str] = field(default_factory=dict)
    sources: tuple[Path, ...] = field(default=(HERE / "engine.py",))

    def definition(self, settings: Settings) -> str:
        """The hash of everything that shapes the job: its statements, its functions, its options."""
        sizes = f"{settings.flink_parallelism} {self.pace * settings.checkpoint_seconds}"
        options = [f"{key}: {value}" for key, value in sorted(self.options.items())]
        texts = [self.render(settings), sizes, *options, *(path.read_text() for path in self.sources)]
        return hashlib.sha256("\n".join(texts).encode()).hexdigest()

    def startup(self, offsets: Offsets) -> dict[str, str]:
        """By placeholder, the options that say where a Kafka table begins. State, where there is some, wins."""
        return {placeholder: self._begin(offsets.get(topic, {})) for placeholder, topic in self.reads.items()}

    def _begin(self, offsets: dict[int, int]) -> str:
        if self.look_back_seconds is not None:
            since = int((time.time() - self.look_back_seconds) * 1000)
            return f"'scan.startup.mode' = 'timestamp', 'scan.startup.timestamp-millis' = '{since}'"
        if not offsets:
            return "'scan.startup.mode' = 'earliest-offset'"
        places = ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))
        return f"'scan.startup.mode' = 'specific-offsets', 'scan.startup.specific-offsets' = '{places}'"

    def main(self, argv: Sequence[str]) -> int:
        """Print the statements or their hash, or submit the job. Returns the exit code."""
        arguments = self._parser().parse_args(argv)
        try:
            settings = Settings.from_env()
            if arguments.print or arguments.hash:
                print(self.render(settings) if arguments.print else self.definition(settings))
            else:
                self._submit(settings, arguments.definition, arguments.statements, arguments.offsets)
        except ValueError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            return 2
        return 0

    def _submit(self, settings: Settings, wanted: str, statements_uri: str, offsets: Offsets) -> None:
        from flink_apps import engine  # the only import of the engine: printing works without it

        if not statements_uri:
            wanted = self._own_definition(settings, wanted)
        tables = engine.table_environment(engine.job_options(settings, self.name, wanted, self.pace) | self.options)
        text = engine.read_text(statements_uri) if statements_uri else self.render(settings)
        if self.writes_lake:
            engine.open_lake(tables, settings)
        job = engine.one_job(tables, text, settings, self.startup(offsets))
        engine.write_text(f"s3://{settings.s3_bucket}/{names.saved_statements_key(self.name, wanted)}", text)
        job.execute()

    def _own_definition(self, settings: Settings, wanted: str) -> str:
        own = self.definition(settings)
        if wanted not in ("", own):
            raise DefinitionError(
                f"asked for definition {wanted[:12]}, but this code and these settings make {own[:12]}: update both sides"
            )
        return own

    def _parser(self) -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser(prog=self.name, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
        parser.add_argument("--print", action="store_true", help="print the rendered SQL and stop")
        parser.add_argument("--hash", action="store_true", help="print the definition's hash and stop")
        parser.add_argument("--definition", default="", help="hash to run as; refused when it is not this code's own")
        parser.add_argument("--statements", default="", help="URI of an older definition's saved statements, to run those instead")
        parser.add_argument("--offsets", default="{}", type=_offsets, help='without state, begin here: JSON like {"clicks.v1": {"0": 9}}')
        return parser


def _offsets(text: str) -> Offsets:
    given = json.loads(text)
    return {topic: {int(partition): int(offset) for partition, offset in places.items()} for topic, places in given.items()}
