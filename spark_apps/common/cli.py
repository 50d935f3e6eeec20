"""The command line of all Spark apps: arguments, receipt, exit code, and the end of the session."""

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
from typing import Any, NoReturn
from urllib.parse import urlparse
from urllib.request import url2pathname

from pyarrow.fs import S3FileSystem
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from clickstream_contracts import names
from clickstream_contracts.receipt import Receipt
from clickstream_contracts.settings import Settings, SettingsError
from spark_apps.common.lake import Lake, open_lake

Compute = Callable[[Lake, argparse.Namespace], Receipt]
LakeOpener = Callable[[Settings, str, str], Lake]

ERROR_LENGTH = 500


class AppFailed(Exception):
    """The app ran to its end with a negative result, e.g. failed audits; its receipt holds the details."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.error)
        self.receipt = receipt


class ArgumentParser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def argument_parser(app: str, description: str) -> ArgumentParser:
    """Returns a parser with the arguments that every app takes."""
    parser = ArgumentParser(prog=f"spark_apps.{app}", description=description, allow_abbrev=False)
    parser.add_argument("--ref", required=True, help="Nessie branch to work on")
    parser.add_argument("--run", required=True, help="id of the run, stored in the receipt and the ledger")
    parser.add_argument("--day", required=True, type=day, help="day of the run in the shop's time zone, YYYY-MM-DD")
    parser.add_argument("--receipt", required=True, type=receipt_uri, help="URI of the receipt to write: s3:// or file://")
    return parser


def day(text: str) -> date:
    """Parse a day (YYYY-MM-DD) of the command line."""
    try:
        return date.fromisoformat(names.checked_day(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def receipt_uri(text: str) -> str:
    """Check the URI of the receipt."""
    if urlparse(text).scheme not in ("s3", "file"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a receipt URI: use s3://bucket/key or file:///path")
    return text


def run_app(app: str, parser: ArgumentParser, compute: Compute, argv: list[str], opener: LakeOpener = open_lake) -> int:
    """Run `compute`, then write its receipt. Returns the exit code: 0 only with a written receipt without an error."""
    args = parser.parse_args(argv)
    started = time.monotonic()
    try:
        lake = opener(Settings.from_env(), args.ref, app)
        versions = {"spark": lake.spark.version}
    except SettingsError as error:
        return _exit(app, str(error), 2)
    except Exception as error:
        return _exit(app, f"cannot open a Spark session: {error_summary(error)}: check that Spark is running and SPARK_REMOTE is right", 1)
    with _closing(lake):
        receipt = _computed_receipt(app, compute, lake, args)
        receipt = replace(receipt, versions=versions, seconds=round(time.monotonic() - started, 1))
        try:
            write_file(lake.catalog.file_io(), args.receipt, receipt.to_json())
        except Exception as error:
            return _exit(app, f"cannot write the receipt {args.receipt}: {error_summary(error)}", 1)
    if receipt.error:
        return _exit(app, receipt.error, 1)
    return 0


@contextmanager
def _closing(lake: Lake) -> Iterator[None]:
    """Close the session at the end, also on SIGTERM: a Connect server would continue the queries of an app that is gone."""

    def interrupt(number: int, frame: object) -> None:
        lake.spark.interruptAll()
        sys.exit(128 + number)

    previous_handler = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        lake.close()
        signal.signal(signal.SIGTERM, previous_handler)


def _computed_receipt(app: str, compute: Compute, lake: Lake, args: argparse.Namespace) -> Receipt:
    try:
        receipt = compute(lake, args)
        return replace(receipt, outputs=lake.metadata_files(receipt.rows))
    except AppFailed as failure:
        return failure.receipt
    except Exception as error:
        return Receipt(app=app, run=args.run, error=error_summary(error))


def _exit(app: str, message: str, code: int) -> int:
    print(f"spark_apps.{app}: {message}", file=sys.stderr)
    return code


def error_summary(error: BaseException) -> str:
    """Returns an exception as one line; of a Java exception the innermost cause, since the outer ones only say that a job failed."""
    java = getattr(error, "java_exception", None)
    if java is not None:
        while java.getCause() is not None:
            java = java.getCause()
        text = str(java.toString())
    else:
        # Spark Connect sends the Java stack trace as text; an error of the connection itself has only gRPC's details.
        causes = re.findall(r"^Caused by: (.+)$", _server_stack_trace(error), re.MULTILINE)
        grpc_details = re.findall(r'^\tdetails = "(.+)"$', str(error), re.MULTILINE)
        text = (causes or grpc_details or [str(error)])[-1]
    return (text or type(error).__name__).strip().splitlines()[0][:ERROR_LENGTH]


def _server_stack_trace(error: BaseException) -> str:
    """Returns the Java stack trace that a Connect server sent with the error, '' without one."""
    if isinstance(error, SparkConnectGrpcException):
        return error.getStackTrace() or ""
    return ""


def write_file(s3_arguments: dict[str, Any], uri: str, text: str) -> None:
    """Write a small file to a file:// URI, or to an s3:// URI with the arguments of its file system (see Catalog.file_io)."""
    if urlparse(uri).scheme == "file":
        path = Path(url2pathname(urlparse(uri).path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return
    with S3FileSystem(**s3_arguments).open_output_stream(uri.removeprefix("s3://")) as file:
        file.write(text.encode())
