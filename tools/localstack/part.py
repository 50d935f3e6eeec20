"""What the stack is made of, as data: parts that run for ever and steps that run once on the way up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Says what is wrong, or '' when healthy; gets the time at which the part's process was started (seconds since 1970).
Health = Callable[[float], str]


def nothing() -> None:
    """The preparation of a part that needs none."""


@dataclass(frozen=True)
class Part:
    """A process under supervision. `needs` must be up before it; `after` only if they are started at all."""

    name: str
    argv: tuple[str, ...]
    home: Path
    address: str
    health: Health
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = nothing
    stop_seconds: int = 10


@dataclass(frozen=True)
class Step:
    """Work that is done once between two parts; doing it again changes nothing."""

    name: str
    run: Callable[[], None]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


Node = Part | Step
