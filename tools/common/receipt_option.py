"""The option `--receipt` of every tool that Airflow starts."""

from typing import Annotated

import typer

SCHEMES = ("s3://", "file:///")


def checked_uri(uri: str) -> str:
    """Returns the address of a receipt, '' if none was given. Raises BadParameter unless it is an s3:// or file:/// address."""
    if uri and not uri.startswith(SCHEMES):
        raise typer.BadParameter(f"{uri!r} is no s3:// or file:/// address, e.g. s3://lake/receipts/check.json or file:///tmp/check.json")
    return uri


def run_name(uri: str) -> str:
    """Returns the run that a receipt belongs to: the folder it is in, as `names.receipt_key` builds it."""
    return uri.rsplit("/", 2)[-2]


_OPTION = typer.Option("--receipt", callback=checked_uri, help="Address of the receipt to write, s3://... or file:///...")
ReceiptUri = Annotated[str, _OPTION]
# Of a command that is also run by hand.
OptionalReceiptUri = Annotated[str, _OPTION]
