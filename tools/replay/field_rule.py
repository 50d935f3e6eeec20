"""The rule of one field of a mapping: from which columns its value is read, and how."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Final

from clickstream_contracts.schema import Field
from tools.common.command import UsageError
from tools.replay import placeholders
from tools.replay.convert import RejectedLine, converter, shown
from tools.replay.lookup import Value, Values, is_column, look_up
from tools.replay.numbers import text
from tools.replay.times import TIME_FORMATS

KEYS: Final = {
    "from", "constant", "default", "time", "values", "join", "allow_missing", "optional", "if_present", "without_each", "hash",
}  # fmt: skip


@dataclass(frozen=True)
class FieldRule:
    """Where the value of a field comes from.

    In this order: `constant`; the value of the first column of `if_present` that is not empty; the first column of `paths` that has
    a value, or all of them joined (`allow_missing`: those that have one); `default`. For a line without elements of the innermost
    list of the mapping, `without_each` replaces `paths`. Values of the columns `hashed` are replaced by their SHA-256.
    """

    name: str
    paths: tuple[str, ...] = ()
    constant: Value = None
    default: Value = None
    join: str | None = None
    allow_missing: bool = False
    optional: bool = False
    if_present: tuple[tuple[str, Value], ...] = ()
    without_each: tuple[str, ...] = ()
    hashed: frozenset[str] = frozenset()
    placeholders: frozenset[str] = frozenset()
    convert: Callable[[Value], Value] = field(default=lambda value: value, compare=False)

    def read(self, values: Values, is_element: bool = True) -> Value:
        """Returns the field's value, None if the line has none. Raises RejectedLine if it cannot be converted."""
        if self.constant is not None:
            return self.constant
        for path, value in self.if_present:
            if self._value(values, path) is not None:
                return value
        paths = self.paths if is_element or not self.without_each else self.without_each
        value = self._first(values, paths) if self.join is None else self._joined(values, paths)
        return self.default if value is None else self.convert(value)

    def _first(self, values: Values, paths: tuple[str, ...]) -> Value:
        for path in paths:
            value = self._value(values, path)
            if value is not None:
                return value
        return None

    def _joined(self, values: Values, paths: tuple[str, ...]) -> str | None:
        parts = [value for path in paths if (value := self._value(values, path)) is not None]
        if not parts or (len(parts) < len(paths) and not self.allow_missing):
            return None
        return (self.join or "").join(map(self._text, parts))

    def _value(self, values: Values, path: str) -> Value:
        """Returns the value at a path; None for an empty text or a placeholder."""
        # Most columns of most files have no dots: a call less for each of them.
        value = values[path] if path in values else look_up(values, path)
        if value is None or placeholders.is_missing(value, self.placeholders):
            return None
        return _hash(self._text(value)) if path in self.hashed else value

    def _text(self, value: Value) -> str:
        try:
            return text(value)
        except ValueError as error:
            raise RejectedLine(f"{self.name}: not a text", f"{shown(value)}: {error}") from None

    def missing_column(self, columns: set[str]) -> str | None:
        """Returns a column that the rule needs and the file lacks; None if the field can be read or is optional."""
        missing = [path.split(".")[0] for path in self.paths if not is_column(path, columns)]
        if not missing or self.optional or self.if_present or self.default is not None:
            return None
        # Without `join`, or if it allows missing columns, one of the columns is enough.
        needs_all = self.join is not None and not self.allow_missing
        return None if not needs_all and len(missing) < len(self.paths) else missing[0]


def _hash(value: str) -> str:
    """Returns the SHA-256 of a text without surrounding spaces and in lower case, as advertising platforms hash e-mail addresses."""
    return hashlib.sha256(value.strip().lower().encode(errors="surrogatepass")).hexdigest()


def parse(spec: Any, contract_field: Field, location: str, zone: tzinfo, no_values: frozenset[str]) -> FieldRule:
    """Returns the rule of a field; `spec` is a column's name, or an object with some of KEYS. Raises UsageError that begins with location.

    zone: of times that name none. no_values: texts that stand for no value.
    """
    spec = {"from": spec} if isinstance(spec, str) else spec
    if not isinstance(spec, dict):
        raise UsageError(f"{location}: {spec!r} is no rule: give the name of a column, or an object with `from` or `constant`")
    check_keys(set(spec), KEYS, location)
    if not any(spec.get(key) for key in ("from", "if_present", "without_each")) and spec.get("constant") is None:
        raise UsageError(f"{location}: give `from` or `constant`")
    time_format = spec.get("time", "auto")
    if time_format not in TIME_FORMATS and "%" not in str(time_format):
        raise UsageError(f"{location}: unknown time {time_format!r}: use {', '.join(TIME_FORMATS)}, or a pattern like %d.%m.%Y %H:%M")
    return FieldRule(
        name=contract_field.name,
        paths=names(spec.get("from", []), f"{location}: from"),
        constant=_own_value(spec, "constant", contract_field, location),
        default=_own_value(spec, "default", contract_field, location),
        join=spec.get("join"),
        allow_missing=flag(spec, "allow_missing", location),
        optional=flag(spec, "optional", location),
        if_present=tuple(_object(spec, "if_present", location).items()),
        without_each=names(spec.get("without_each", []), f"{location}: without_each"),
        hashed=frozenset(names(spec.get("hash", []), f"{location}: hash")),
        placeholders=placeholders.of_field(contract_field, no_values),
        convert=converter(contract_field, time_format, _object(spec, "values", location) or None, zone),
    )


def names(value: Any, location: str) -> tuple[str, ...]:
    """Returns the name of one column, or a list of names, as a tuple. Raises UsageError for anything else."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise UsageError(f"{location}: {value!r} is no column: give its name, or a list of names")
    return tuple(value)


def check_keys(keys: set[Any], allowed: set[str], location: str) -> None:
    """Raises UsageError if one of the keys is not allowed."""
    unknown = sorted(map(str, keys - allowed))
    if unknown:
        raise UsageError(f"{location}: unknown key {unknown[0]!r}: use {', '.join(sorted(allowed))}")


def _own_value(spec: dict[str, Any], key: str, contract_field: Field, location: str) -> Value:
    """Returns a value that the mapping itself gives. Raises UsageError if it is no value of the field."""
    value = spec.get(key)
    if value is None:
        return None
    try:
        return converter(contract_field, "auto", None)(value)
    except ValueError as error:
        raise UsageError(f"{location}: {key}: {error}") from None


def _object(spec: dict[str, Any], key: str, location: str) -> dict[Any, Any]:
    value = spec.get(key, {})
    if not isinstance(value, dict):
        raise UsageError(f"{location}: {key}: {value!r} is no object: write `column: value` pairs")
    return value


def flag(spec: dict[str, Any], key: str, location: str) -> bool:
    """Returns the value of a key that is true or false, false without it. Raises UsageError for another value."""
    value = spec.get(key, False)
    if not isinstance(value, bool):
        raise UsageError(f"{location}: {key}: {value!r} is neither true nor false")
    return value
