"""What the local stack is made of, as data: components (supervised processes) and steps (run once on the way up)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# Returns what is wrong, or '' when healthy. The argument is when the component's process was started, in seconds since 1970.
Health = Callable[[float], str]


def no_preparation() -> None:
    """The `prepare` of a component that needs none."""


@dataclass(frozen=True)
class Component:
    """A process under supervision. Units in `needs` are started first; those in `after` only come first if they are started too."""

    name: str
    argv: tuple[str, ...]
    home: Path
    address: str
    health: Health
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    prepare: Callable[[], None] = no_preparation
    stop_seconds: int = 10


@dataclass(frozen=True)
class Step:
    """Work that is done once between two components. It is idempotent."""

    name: str
    run: Callable[[], None]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


Unit = Component | Step
