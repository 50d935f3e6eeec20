"""The whole stack as one list: every part, and the steps between them."""

from graphlib import TopologicalSorter

from tools.localstack import airflow, flink, kafka, nessie, ray, s3, spark
from tools.localstack.layout import Stack
from tools.localstack.part import Node, Part, Step

COMPONENTS = (s3, nessie, kafka, flink, spark, ray, airflow)


class UnknownPart(ValueError):
    """A part was asked for that the stack does not have."""


def nodes(stack: Stack) -> list[Node]:
    """All parts and steps, each after what it needs."""
    steps = [
        Step("bucket", lambda: s3.ensure_bucket(stack.settings), needs=("s3",)),
        Step("lake", lambda: _ensure_lake(stack), needs=("nessie",)),
        Step("topics", lambda: _ensure_topics(stack), needs=("kafka",)),
        airflow.step(stack),
    ]
    return _in_order([*steps, *parts(stack)])


def parts(stack: Stack) -> list[Part]:
    """Only the processes, one component after the other."""
    return [part for component in COMPONENTS for part in component.parts(stack)]


def _in_order(everything: list[Node]) -> list[Node]:
    by_name = {node.name: node for node in everything}
    order = TopologicalSorter({node.name: {*node.needs, *node.after} for node in everything}).static_order()
    # A need may be missing: an external S3 is nobody's part.
    return [by_name[name] for name in order if name in by_name]


def select(everything: list[Node], names: str) -> list[Node]:
    """The nodes of `names` ('kafka,flink': a part, or all parts of a component), with all that they need; '' means all."""
    if not names:
        return everything
    wanted: set[str] = set()
    for name in names.split(","):
        found = {node.name for node in everything if node.name == name.strip() or node.name.startswith(f"{name.strip()}-")}
        if not found:
            raise UnknownPart(f"no part {name!r}: the stack has {', '.join(n.name for n in everything if isinstance(n, Part))}")
        wanted |= found
    return [node for node in everything if node.name in _with_needs(wanted, everything)]


def _with_needs(wanted: set[str], everything: list[Node]) -> set[str]:
    needs = {node.name: set(node.needs) for node in everything}
    grown = wanted.union(*(needs.get(name, set()) for name in wanted))
    # A step comes along with the parts that it prepares.
    grown |= {node.name for node in everything if isinstance(node, Step) and node.needs and set(node.needs) <= grown}
    return grown if grown == wanted else _with_needs(grown, everything)


def _ensure_lake(stack: Stack) -> None:
    from tools.lake import catalog as lake

    lake.ensure(stack.settings)


def _ensure_topics(stack: Stack) -> None:
    from tools.kafka import topics

    topics.ensure(stack.settings)
