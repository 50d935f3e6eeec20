"""Whose rows are erased: the user's, and those of devices, sessions and orders that no other user has."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog.rest import RestCatalog
from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, BooleanExpression, In, Or

from clickstream_contracts.schema import Contract, tables

USER = "user_id"
LINKED = ("device_id", "session_id", "order_id")
# A table that has the user's events together with the other ids. A killed erasure finds the links again in either of them.
SOURCES = ("raw.clicks", "curated.events")
# The entity of an alert: a user or a device.
ENTITY = "entity"
# Text and bytes of records that could not be read: searched for the ids as whole words.
FREE_TEXT = ("payload", "detail")
BATCH = 10_000


@dataclass(frozen=True)
class Identity:
    """The ids of one user: `linked` are the values of other columns that no other user has."""

    user: str
    linked: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def columns(self, contract: Contract) -> list[str]:
        """Returns the columns of a table that can hold one of the ids."""
        names = {column.name for column in contract.fields}
        return [name for name in (USER, *LINKED, ENTITY, *FREE_TEXT) if name in names]

    def row_filter(self, contract: Contract) -> BooleanExpression:
        """Returns a filter of Iceberg that excludes only files without a row of the user."""
        columns = self.columns(contract)
        if any(name in FREE_TEXT for name in columns):
            return AlwaysTrue()
        filters = [is_in(name, values) for name in columns if (values := self._values(name))]
        if len(filters) < 2:
            return filters[0] if filters else AlwaysFalse()
        return Or(*filters)

    def matches(self, rows: pa.Table) -> pa.ChunkedArray:
        """Returns for each row whether it is the user's. A row that names another user never is, unless its bytes name this one."""
        nobody = pa.chunked_array([pa.array([False] * len(rows), pa.bool_())])
        by_id = nobody
        for name in (USER, *LINKED, ENTITY):
            if name in rows.column_names:
                by_id = pc.or_(by_id, pc.fill_null(pc.is_in(rows[name], pa.array(self._values(name), rows[name].type)), False))
        if USER in rows.column_names:
            by_id = pc.and_(by_id, pc.fill_null(pc.equal(rows[USER], self.user), True))
        for name in FREE_TEXT:
            if name in rows.column_names:
                by_id = pc.or_(by_id, pa.chunked_array([pa.array([self._named_in(value.as_py()) for value in rows[name]], pa.bool_())]))
        return by_id

    def named_in(self, text: str) -> bool:
        """Returns whether a text holds one of the ids as a whole word."""
        return self._named_in(text)

    def _values(self, column: str) -> list[str]:
        if column == USER:
            return [self.user]
        if column == ENTITY:
            return sorted({self.user} | self.linked.get("device_id", frozenset()))
        return sorted(self.linked.get(column, ()))

    def _named_in(self, value: str | bytes | None) -> bool:
        content = value.encode() if isinstance(value, str) else value
        return bool(content and self._words.search(content))

    @cached_property
    def _words(self) -> re.Pattern[bytes]:
        ids = {self.user, *(value for values in self.linked.values() for value in values)}
        # The longest first: of two ids with the same beginning, the other one would end the search.
        alternatives = b"|".join(re.escape(value.encode()) for value in sorted(ids, key=len, reverse=True))
        return re.compile(rb"(?<![\w-])(?:" + alternatives + rb")(?![\w-])")


def is_in(column: str, values: Iterable[str]) -> BooleanExpression:
    """Returns the filter that a column has one of the values."""
    # The type checker knows the fields of the class and not its constructor.
    return In(column, values)  # type: ignore[call-arg,arg-type]


def find(catalog: RestCatalog, user: str) -> Identity:
    """Returns the ids of a user at one ref: the devices, sessions and orders of the user's events that no event of another user has.

    A failed sign-in names the user that somebody tried: it links nothing.
    """
    linked: dict[str, set[str]] = {name: set() for name in LINKED}
    for source in SOURCES:
        rows = _events(catalog, source, is_in(USER, [user]))
        for name in LINKED:
            linked[name] |= {value for value in rows[name].unique().to_pylist() if value}
    return Identity(user, {name: frozenset(values - _of_others(catalog, name, values, user)) for name, values in linked.items()})


def _of_others(catalog: RestCatalog, column: str, values: Iterable[str], user: str) -> set[str]:
    """Returns the values that events of other users have too."""
    ordered, others = sorted(values), set()
    for start in range(0, len(ordered), BATCH):
        for source in SOURCES:
            rows = _events(catalog, source, is_in(column, ordered[start : start + BATCH]))
            others |= set(rows.filter(pc.fill_null(pc.not_equal(rows[USER], user), False))[column].to_pylist())
    return others


def _events(catalog: RestCatalog, source: str, row_filter: BooleanExpression) -> pa.Table:
    rows = catalog.load_table(source).scan(row_filter=row_filter, selected_fields=(USER, *LINKED, "event_type")).to_arrow()
    return rows.filter(pc.not_equal(rows["event_type"], "login_failed"))


def erasable_tables() -> list[str]:
    """Returns the tables that can hold rows of a user, in the order of erasure.

    The tables in which the links are found come last of their namespaces: an erasure that was killed finds them again.
    """
    nobody = Identity("")
    named = [name for name, contract in tables().items() if nobody.columns(contract)]
    return sorted(named, key=lambda name: (not name.startswith("raw."), name in SOURCES, name))
