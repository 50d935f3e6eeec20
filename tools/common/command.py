"""What every command of the tools shares: its settings, and how a failure ends: a message on stderr and an exit code."""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer

from clickstream_contracts.settings import Settings, environment, read_env_file
from tools.common.http import bypass_proxies_on_loopback

P = ParamSpec("P")
R = TypeVar("R")
FAILURE, USAGE = 1, 2


class UsageError(ValueError):
    """The caller's input cannot be used; the text names the value, where it stands and the fix."""


class ServiceError(RuntimeError):
    """A service is unreachable or refused a request; the text says which and how to fix it wherever the service runs."""


def new_app(help: str | None) -> typer.Typer:
    """Returns an empty command line: plain help pages, no tracebacks drawn in colours, no completion of its own."""
    return typer.Typer(help=help, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True, add_completion=False)


def current_settings() -> Settings:
    """Returns the settings of the local stack where one was started; variables set in the environment override them.

    In a container there is no local stack, and the environment alone counts.
    """
    own = Settings.from_env()
    if not stack_file(own).exists():
        return own
    return Settings.from_env(read_env_file(stack_file(own)) | environment())


def stack_file(settings: Settings) -> Path:
    """Returns the file with the settings of the local stack, which exists once the stack was started."""
    return Path(settings.stack_dir) / "settings.env"


def report_errors(*failures: type[Exception], lake: bool = True, hint: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorates a command so that an expected error is printed without a traceback and becomes an exit code.

    ValueErrors end with exit code 2; `failures` and, unless `lake` is False, the errors of the lake's clients with 1.
    `hint` is a second line of the message: what to do next.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            # A command's own exit code; typer.Exit is a RuntimeError.
            except typer.Exit:
                raise
            except ValueError as error:
                code, text = USAGE, one_line(error)
            except failures as error:
                code, text = FAILURE, str(error) + (_stack_hint() if isinstance(error, ServiceError) else "")
            except Exception as error:
                if not lake or not isinstance(error, lake_errors()):
                    raise
                code, text = FAILURE, f"the lake is unreachable or refused a request: {one_line(error)}{_stack_hint()}"
            typer.echo(f"error: {text}", err=True)
            if hint:
                typer.echo(hint, err=True)
            raise typer.Exit(code)

        return run

    return decorate


def _stack_hint() -> str:
    """Returns what to do next where a local stack was started; elsewhere ''."""
    return "; run `./clickstream stack doctor`" if stack_file(Settings.from_env()).exists() else ""


def one_line(error: Exception) -> str:
    """Returns an error's text without its line breaks."""
    return " ".join(str(error).split())


@functools.cache
def lake_errors() -> tuple[type[Exception], ...]:
    """Returns what the clients of Nessie and S3 raise when a server is unreachable or refuses; imported when one was raised."""
    from botocore.exceptions import BotoCoreError, ClientError
    from httpx import HTTPError
    from pyiceberg.exceptions import NoSuchTableError, RESTError

    return (RESTError, NoSuchTableError, BotoCoreError, ClientError, HTTPError, OSError)


def run_app(app: typer.Typer, name: str | None = None) -> None:
    """Run the command line of this process and exit with its code; a usage error is one line.

    `name` stands in the help pages; by default it is how the module was started.
    """
    bypass_proxies_on_loopback()
    try:
        code = app(standalone_mode=False, prog_name=name)
    except typer.TyperException as error:
        sys.exit(report_usage_error(error))
    sys.exit(code if isinstance(code, int) else 0)


def report_usage_error(error: typer.TyperException) -> int:
    """Print a usage error and where help is; returns the exit code."""
    text = error.format_message().strip()
    # The message of a command that was started without its arguments is its help page.
    if "\n" not in text:
        end = "" if text.endswith("?") else "."
        text = f"error: {text.rstrip('.')}{end} --help lists the commands and options"
    print(text, file=sys.stderr)
    return error.exit_code
