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
    # Whether its processes can outlive the one that supervisord knows; then it is up and stops as a whole.
    all_processes: bool = False
    # Files and folders of the checkout that its process has read, beside its command and settings.
    code: tuple[str, ...] = ()
    # Files outside of the stack's folder, and folders below it, that are deleted when the stack is down.
    temporary: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Step:
    """Work that is done once between two components. It is idempotent."""

    name: str
    run: Callable[[], None]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


Unit = Component | Step
