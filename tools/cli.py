"""What every tool's command line shares: an expected failure is one clear line and an exit code."""

import functools
from collections.abc import Callable
from dataclasses import fields, replace
from typing import ParamSpec, TypeVar

import typer
from botocore.exceptions import BotoCoreError, ClientError
from httpx import HTTPError
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.exceptions import RESTError as NessieError

from clickstream_contracts.settings import Settings, SettingsError
from tools.stack import running

# What the lake's clients raise when a server is away or refuses; their text names the address.
LAKE_FAILURES = (NessieError, NoSuchTableError, BotoCoreError, ClientError, HTTPError, OSError)
P = ParamSpec("P")
R = TypeVar("R")


class UsageError(ValueError):
    """The caller's input cannot be used; the text names the value, the place and the cure."""


def here() -> Settings:
    """The settings of the running stack; what the process's environment sets itself wins, and without a stack it is all there is."""
    own, plain = Settings.from_env(), Settings()
    try:
        stack = running(own.stack_dir)
    except SettingsError:
        return own
    said = {f.name: value for f in fields(own) if (value := getattr(own, f.name)) != getattr(plain, f.name)}
    return replace(stack, **said)


def failing_in_one_line(*failures: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A command whose ValueErrors end with exit code 2, its `failures` and the lake's with 1, each as one line on stderr."""

    def wrap(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return command(*args, **kwargs)
            except ValueError as error:
                code, text = 2, str(error)
            except LAKE_FAILURES as error:
                code, text = 1, f"the lake does not answer or refuses: {error}; see `make doctor`"
            except failures as error:
                code, text = 1, str(error)
            typer.echo(" ".join(text.split()), err=True)
            raise typer.Exit(code)

        return run

    return wrap
