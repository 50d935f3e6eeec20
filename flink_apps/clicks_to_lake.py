"""Every record of clicks.v1 into raw.clicks or raw.quarantine, exactly once.

    python -m flink_apps.clicks_to_lake --print        the statements, for reading
    python -m flink_apps.clicks_to_lake --hash         the definition that this code and these settings make

Started by a Flink cluster (PythonDriver), it submits the job and returns.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from clickstream_contracts import names
from clickstream_contracts.settings import Settings, SettingsError
from flink_apps import clicks_sql


def main(argv: Sequence[str]) -> int:
    """Print the statements or their hash, or submit the job. Returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.from_env()
        if arguments.print or arguments.hash:
            print(clicks_sql.render(settings) if arguments.print else clicks_sql.definition(settings))
        else:
            _submit(settings, arguments.definition, arguments.statements, arguments.offsets)
    except (SettingsError, DefinitionError) as error:
        print(f"clicks_to_lake: {error}", file=sys.stderr)
        return 2
    return 0


class DefinitionError(ValueError):
    """The asked definition is not the one that this code makes."""


def _submit(settings: Settings, wanted: str, statements_uri: str, offsets: dict[int, int]) -> None:
    from flink_apps import engine  # the only import of the engine: printing works without it

    if not statements_uri:
        wanted = _own_definition(settings, wanted)
    tables = engine.table_environment(engine.job_options(settings, names.LAKE_JOB, wanted))
    text = engine.read_text(statements_uri) if statements_uri else clicks_sql.render(settings)
    engine.open_lake(tables, settings)
    job = engine.one_job(tables, text, settings, offsets)
    engine.write_text(f"s3://{settings.s3_bucket}/{names.statements(names.LAKE_JOB, wanted)}", text)
    job.execute()


def _own_definition(settings: Settings, wanted: str) -> str:
    own = clicks_sql.definition(settings)
    if wanted not in ("", own):
        raise DefinitionError(f"asked for definition {wanted[:12]}, but this code and these settings make {own[:12]}: update both sides")
    return own


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clicks_to_lake", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the rendered SQL and stop")
    parser.add_argument("--hash", action="store_true", help="print the definition's hash and stop")
    parser.add_argument("--definition", default="", help="hash to run as; refused when it is not this code's own")
    parser.add_argument("--statements", default="", help="URI of an older definition's saved statements, to run those instead")
    parser.add_argument("--offsets", default="{}", type=_offsets, help='without state, read on from here: JSON like {"0": 1200}')
    return parser


def _offsets(text: str) -> dict[int, int]:
    return {int(partition): int(offset) for partition, offset in json.loads(text).items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
