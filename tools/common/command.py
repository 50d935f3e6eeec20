"""What every command of the tools shares: its settings, and how a failure ends: one line on stderr and an exit code."""

import functools
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

from clickstream_contracts.settings import Settings, read_env_file

P = ParamSpec("P")
R = TypeVar("R")
USAGE, FAILURE = 2, 1


class UsageError(ValueError):
    """The caller's input cannot be used; the text names the value, where it stands and the fix."""


def current_settings() -> Settings:
    """Returns the settings of the local stack where one was started; variables set in the environment override them.

    In a container there is no local stack, and the environment alone counts.
    """
    own, defaults = Settings.from_env(), Settings()
    stack_file = Path(own.stack_dir) / "settings.env"
    if not stack_file.exists():
        return own
    stack = Settings.from_env(read_env_file(stack_file))
    overrides = {f.name: getattr(own, f.name) for f in fields(own) if getattr(own, f.name) != getattr(defaults, f.name)}
    return replace(stack, **overrides)


def errors_in_one_line(*failures: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a command: ValueErrors end it with exit code 2, `failures` and errors of the lake's clients with 1."""

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except ValueError as error:
                code, text = USAGE, str(error)
            except failures as error:
                code, text = FAILURE, str(error)
            except lake_errors() as error:
                code, text = FAILURE, f"the lake is unreachable or refused a request: {error}; run `./clickstream stack doctor`"
            typer.echo(" ".join(text.split()), err=True)
            raise typer.Exit(code)

        return run

    return decorate


@functools.cache
def lake_errors() -> tuple[type[Exception], ...]:
    """Returns what the clients of Nessie and S3 raise when a server is unreachable or refuses; imported when one was raised."""
    from botocore.exceptions import BotoCoreError, ClientError
    from httpx import HTTPError
    from pyiceberg.exceptions import NoSuchTableError, RESTError

    return (RESTError, NoSuchTableError, BotoCoreError, ClientError, HTTPError, OSError)


def run_app(app: typer.Typer) -> None:
    """Run the command line of this process and exit with its code; a usage error is one line."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        sys.exit(report_usage_error(error))
    sys.exit(code if isinstance(code, int) else 0)


def report_usage_error(error: typer.TyperException) -> int:
    """Print a usage error and where help is; returns the exit code."""
    text = error.format_message()
    # A command without arguments that needs some raises its whole help page as the message.
    is_help_page = "\n" in text.strip()
    print(text if is_help_page else f"error: {text.rstrip('.')}; --help lists the options", file=sys.stderr)
    return error.exit_code
