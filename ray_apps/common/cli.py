"""What all jobs share: command line arguments, the receipt and the exit code."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any, NoReturn
from urllib.parse import urlparse

from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings, SettingsError
from ray_apps.common.storage import write_bytes

Work = Callable[[Settings, argparse.Namespace], Receipt]


class Parser(argparse.ArgumentParser):
    """argparse that prints one line instead of the usage text when an argument is wrong."""

    def __init__(self, module: str, description: str | None) -> None:
        super().__init__(prog=f"ray_apps.{module}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def job_parser(app: str, description: str | None) -> Parser:
    """A parser with the arguments of every job that writes a receipt."""
    parser = Parser(f"jobs.{app}", description)
    parser.add_argument("--ref", required=True, help="Nessie branch, tag or branch@hash to read")
    parser.add_argument("--run", required=True, help="the run's name, kept in the receipt")
    parser.add_argument("--receipt", required=True, type=storage_uri, help="where to write the receipt: s3:// or file://")
    return parser


def storage_uri(text: str) -> str:
    """An argument that names a file or folder to write."""
    if urlparse(text).scheme not in ("s3", "file"):
        raise argparse.ArgumentTypeError(f"cannot write to {text!r}: use s3://bucket/key or file:///path")
    return text


def json_object(text: str) -> dict[str, Any]:
    """An argument that is a JSON object, such as the receipt of another job."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a JSON object")
    return value


def whole_number(text: str) -> int:
    """An argument that is a whole number, 0 or more."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def run_job(app: str, parser: Parser, work: Work, argv: list[str]) -> int:
    """Do the work and write its receipt last. Returns the exit code: 0 only if a receipt without an error was written."""
    args, started = parser.parse_args(argv), time.monotonic()
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        return _fail(parser, str(error), 2)
    try:
        receipt = work(settings, args)
    except Exception as error:
        receipt = Receipt(app=app, run=args.run, error=one_line(error))
    versions = {library: version(library) for library in ("ray", "lightgbm")}
    receipt = replace(receipt, versions=versions, seconds=round(time.monotonic() - started, 1))
    try:
        write_bytes(args.receipt, receipt.to_json().encode(), settings)
    except (OSError, SettingsError) as error:
        return _fail(parser, f"cannot write the receipt {args.receipt}: {one_line(error)}", 1)
    if receipt.error:
        return _fail(parser, receipt.error, 1)
    return 0


def one_line(error: BaseException) -> str:
    """The first line of an exception's message, or its type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500]


def _fail(parser: Parser, message: str, code: int) -> int:
    print(f"{parser.prog}: {message}", file=sys.stderr)
    return code
