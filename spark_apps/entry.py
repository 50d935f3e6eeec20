"""What all Spark apps have in common: their arguments, their receipt and their exit code."""

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlparse
from urllib.request import url2pathname

from pyarrow.fs import S3FileSystem
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings, SettingsError
from spark_apps.engine import Lake, open_lake

Work = Callable[[Lake, argparse.Namespace], Receipt]
Opener = Callable[[Settings, str, str], Lake]


class WorkFailed(Exception):
    """The app did its work and the answer is no; carries the receipt that says why."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.error)
        self.receipt = receipt


class Parser(argparse.ArgumentParser):
    """argparse, with one line instead of the usage text when something is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def parser(app: str, about: str) -> Parser:
    """The arguments that every app takes."""
    found = Parser(prog=f"spark_apps.{app}", description=about, allow_abbrev=False)
    found.add_argument("--ref", required=True, help="Nessie branch to work on")
    found.add_argument("--run", required=True, help="the run's name, kept in the receipt and the ledger")
    found.add_argument("--day", required=True, type=day, help="UTC day of the run, YYYY-MM-DD")
    found.add_argument("--receipt", required=True, type=receipt_uri, help="where to write the receipt: s3:// or file://")
    return found


def day(text: str) -> date:
    """A day from the command line."""
    try:
        return date.fromisoformat(names.checked_day(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def receipt_uri(text: str) -> str:
    """A place for the receipt."""
    if urlparse(text).scheme not in ("s3", "file"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a place for a receipt: use s3://bucket/key or file:///path")
    return text


def run(app: str, found: Parser, work: Work, argv: list[str], opener: Opener = open_lake) -> int:
    """Do the work, write the receipt as the last act. 0 only with a receipt without an error."""
    args = found.parse_args(argv)
    started = time.monotonic()
    try:
        lake = opener(Settings.from_env(), args.ref, app)
        versions = {"spark": lake.spark.version}
    except SettingsError as error:
        return _say(app, str(error), 2)
    except Exception as error:
        return _say(app, f"no Spark session: {one_line(error)}; is Spark up?", 1)
    with _ending(lake):
        receipt = _attempt(app, work, lake, args)
        receipt = replace(receipt, versions=versions, seconds=round(time.monotonic() - started, 1))
        try:
            write(lake.catalog.file_io(), args.receipt, receipt.to_json())
        except Exception as error:
            return _say(app, f"cannot write the receipt {args.receipt}: {one_line(error)}", 1)
    return _say(app, receipt.error, 1) if receipt.error else 0


@contextmanager
def _ending(lake: Lake) -> Iterator[None]:
    """Ends the session however the work ends. A server would go on with the work of an app that is gone."""

    def give_up(number: int, frame: object) -> None:
        lake.spark.interruptAll()
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, give_up)
    try:
        yield
    finally:
        lake.close()
        signal.signal(signal.SIGTERM, before)


def _attempt(app: str, work: Work, lake: Lake, args: argparse.Namespace) -> Receipt:
    try:
        receipt = work(lake, args)
        return replace(receipt, outputs=lake.states(receipt.rows))
    except WorkFailed as failed:
        return failed.receipt
    except Exception as error:
        return Receipt(app=app, run=args.run, error=one_line(error))


def _say(app: str, text: str, code: int) -> int:
    print(f"spark_apps.{app}: {text}", file=sys.stderr)
    return code


def one_line(error: BaseException) -> str:
    """An exception in one line; of Java's, the innermost cause, since the outer ones only say that a job failed."""
    java = getattr(error, "java_exception", None)
    while java is not None and java.getCause() is not None:
        java = java.getCause()
    told = re.findall(r"^Caused by: (.+)$", _of_the_server(error), re.MULTILINE) or re.findall(
        r'^\tdetails = "(.+)"$', str(error), re.MULTILINE
    )
    text = str(java.toString() if java is not None else told[-1] if told else error) or type(error).__name__
    return text.strip().splitlines()[0][:500]


def _of_the_server(error: BaseException) -> str:
    """The Java stack trace that a Connect server sent along, '' without any."""
    return (error.getStackTrace() or "") if isinstance(error, SparkConnectGrpcException) else ""


def write(store: dict[str, str], uri: str, text: str) -> None:
    """Write a small file at s3://, in the store that the tables are in, or at file://."""
    if urlparse(uri).scheme == "file":
        path = Path(url2pathname(urlparse(uri).path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    keys = {"access_key": store["s3.access-key-id"], "secret_key": store["s3.secret-access-key"]}
    files = S3FileSystem(endpoint_override=store["s3.endpoint"], region=store["client.region"], **keys)
    with files.open_output_stream(uri.removeprefix("s3://")) as file:
        file.write(text.encode())
