"""All units of the local stack in the order of their dependencies, and the selection by name."""

from graphlib import TopologicalSorter

from tools.lake.object_store import ensure_bucket
from tools.localstack import airflow, flink, kafka, nessie, ray, s3, spark
from tools.localstack.layout import Stack
from tools.localstack.units import Component, Step, Unit

SYSTEMS = (s3, nessie, kafka, flink, spark, ray, airflow)


class UnknownComponent(ValueError):
    """The stack has no component of the given name."""


def units(stack: Stack) -> list[Unit]:
    """Returns all components and steps, each after the units it depends on."""
    steps = [
        Step("bucket", lambda: ensure_bucket(stack.settings), needs=("s3",)),
        Step("lake", lambda: _create_tables(stack), needs=("nessie",)),
        Step("topics", lambda: _create_topics(stack), needs=("kafka",)),
        airflow.step(stack),
    ]
    return _in_order([*steps, *components(stack)])


def components(stack: Stack) -> list[Component]:
    """Returns the components alone, system by system."""
    return [component for system in SYSTEMS for component in system.components(stack)]


def _in_order(unordered: list[Unit]) -> list[Unit]:
    by_name = {unit.name: unit for unit in unordered}
    order = TopologicalSorter({unit.name: {*unit.needs, *unit.after} for unit in unordered}).static_order()
    # A dependency may be missing: an external S3 is no component of the stack.
    return [by_name[name] for name in order if name in by_name]


def select(all_units: list[Unit], names: str) -> list[Unit]:
    """Returns the units that `names` selects, with their dependencies; '' selects all.

    `names` is a comma-separated list of components ('flink-jobmanager') or systems ('flink': all its components).
    Raises UnknownComponent.
    """
    if not names:
        return all_units
    selected = _with_dependencies(_named(all_units, names), all_units)
    return [unit for unit in all_units if unit.name in selected]


def matching(all_units: list[Unit], names: str) -> list[Component]:
    """Returns the components that `names` lists, as in `select`, without their dependencies. Raises UnknownComponent."""
    selected = _named(all_units, names)
    return [unit for unit in all_units if isinstance(unit, Component) and unit.name in selected]


def _named(all_units: list[Unit], names: str) -> set[str]:
    selected: set[str] = set()
    for name in (name.strip() for name in names.split(",")):
        matches = {unit.name for unit in all_units if unit.name == name or unit.name.startswith(f"{name}-")}
        if not matches:
            raise unknown(name, [unit for unit in all_units if isinstance(unit, Component)])
        selected |= matches
    return selected


def unknown(name: str, candidates: list[Component]) -> UnknownComponent:
    """Returns the error that lists the components of the stack."""
    return UnknownComponent(f"no component {name!r}: use one of {', '.join(sorted(component.name for component in candidates))}")


def _with_dependencies(selected: set[str], all_units: list[Unit]) -> set[str]:
    needs = {unit.name: set(unit.needs) for unit in all_units}
    grown = selected.union(*(needs.get(name, set()) for name in selected))
    # A step is selected together with the components that it prepares.
    grown |= {unit.name for unit in all_units if isinstance(unit, Step) and unit.needs and set(unit.needs) <= grown}
    return grown if grown == selected else _with_dependencies(grown, all_units)


def _create_tables(stack: Stack) -> None:
    from tools.lake import catalog

    catalog.ensure(stack.settings)


def _create_topics(stack: Stack) -> None:
    from tools.kafka import topics

    topics.ensure(stack.settings)
