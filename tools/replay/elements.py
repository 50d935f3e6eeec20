"""The lists in a line whose elements become events of their own: the items of an order, the actions of a visit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.replay.lookup import all_of_schema, look_up, parse_json

Value = Any
Values = dict[str, Any]


@dataclass(frozen=True)
class ListRule:
    """Where a list is. Columns of its elements are read as `<name>.<column>`; `paths` are tried in their order."""

    name: str
    paths: tuple[str, ...]
    optional: bool = False

    def elements(self, values: Values) -> list[Value]:
        """Returns the elements of the first list that is not empty, [] if there is none."""
        return next((elements for path in self.paths if (elements := _elements_at(values, path))), [])


def _elements_at(values: Values, path: str) -> list[Value]:
    """Returns the elements of a list, also of one in a text of JSON, or all of one schema of a list; [] if there is no list."""
    value = look_up(values, path)
    if isinstance(value, str):
        value = parse_json(value)
    if isinstance(value, list):
        return [element for element in value if element is not None]
    parent, _, name = path.rpartition(".")
    return all_of_schema(look_up(values, parent), name) if parent else []


def groups(values: Values, rules: tuple[ListRule, ...]) -> Iterator[tuple[Values, list[Values]]]:
    """Yields what surrounds the innermost list, with the values for each of its elements; no elements if it is empty.

    The values of an element are those around it and, under the name of its list, the element itself.
    """
    if not rules:
        yield values, []
        return
    rule, inner = rules[0], rules[1:]
    elements = [{**values, rule.name: element} for element in rule.elements(values)]
    if not inner:
        yield values, elements
    elif not elements:
        yield values, []
    for element in elements if inner else ():
        yield from groups(element, inner)


def has_any(values: Values, rule: ListRule, outer: tuple[ListRule, ...]) -> bool:
    """Returns whether a list in a line has an element; `outer` are the lists around it."""
    if not outer:
        return bool(rule.elements(values))
    surroundings = ({**values, outer[0].name: element} for element in outer[0].elements(values))
    return any(has_any(around, rule, outer[1:]) for around in surroundings)
