"""What all Ray apps have in common: their arguments, their receipt and their exit code."""

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
    """argparse, with one line instead of the usage text when something is wrong."""

    def __init__(self, app: str, about: str | None) -> None:
        super().__init__(prog=f"ray_apps.{app}", description=about, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def parser(app: str, about: str | None) -> Parser:
    """The arguments that every app with a receipt takes."""
    found = Parser(f"jobs.{app}", about)
    found.add_argument("--ref", required=True, help="Nessie branch, tag or branch@hash to read")
    found.add_argument("--run", required=True, help="the run's name, kept in the receipt")
    found.add_argument("--receipt", required=True, type=place_uri, help="where to write the receipt: s3:// or file://")
    return found


def place_uri(text: str) -> str:
    """A place for what an app writes."""
    if urlparse(text).scheme not in ("s3", "file"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a place to write to: use s3://bucket/key or file:///path")
    return text


def json_object(text: str) -> dict[str, Any]:
    """What another app left."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no JSON object")
    return found


def whole_number(text: str) -> int:
    """A number of things."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def run(app: str, found: Parser, work: Work, argv: list[str]) -> int:
    """Do the work, write the receipt as the last act. 0 only with a receipt without an error."""
    args, started = found.parse_args(argv), time.monotonic()
    try:
        settings = Settings.from_env()
    except SettingsError as error:
        return _say(app, str(error), 2)
    try:
        receipt = work(settings, args)
    except Exception as error:
        receipt = Receipt(app=app, run=args.run, error=one_line(error))
    receipt = replace(receipt, versions={name: version(name) for name in ("ray", "lightgbm")}, seconds=round(time.monotonic() - started, 1))
    try:
        write_bytes(args.receipt, receipt.to_json().encode(), settings)
    except (OSError, SettingsError) as error:
        return _say(app, f"cannot write the receipt {args.receipt}: {one_line(error)}", 1)
    return _say(app, receipt.error, 1) if receipt.error else 0


def one_line(error: BaseException) -> str:
    """An exception in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:500]


def _say(app: str, text: str, code: int) -> int:
    print(f"ray_apps.jobs.{app}: {text}", file=sys.stderr)
    return code
