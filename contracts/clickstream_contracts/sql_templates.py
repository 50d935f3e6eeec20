"""Renders SQL files with Jinja2: the one template language of all SQL in the project.

An undefined variable is an error (StrictUndefined). Nothing is escaped: values are bound by an engine's own `literal`
filter, and table names come from the contracts.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

Filters = Mapping[str, Callable[..., str]]


class TemplateError(ValueError):
    """An SQL template cannot be rendered; the text names the file, the line and the variable."""


@cache
def environment(*folders: Path) -> jinja2.Environment:
    """A Jinja environment that loads templates from these folders, the first match wins."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )


def render_file(path: Path, values: Mapping[str, Any], *, filters: Filters | None = None, include: tuple[Path, ...] = ()) -> str:
    """The SQL of `path`. It may include or import templates of its own folder and of the folders `include`.

    Raises TemplateError.
    """
    own = environment(path.parent, *include)
    return _render(own, own.get_template, path.name, values, filters, str(path))


def render_text(text: str, values: Mapping[str, Any], *, filters: Filters | None = None) -> str:
    """The SQL of a template given as text. Raises TemplateError."""
    own = environment()
    return _render(own, own.from_string, text, values, filters, "SQL template")


def _render(
    own: jinja2.Environment,
    load: Callable[[str], jinja2.Template],
    source: str,
    values: Mapping[str, Any],
    filters: Filters | None,
    where: str,
) -> str:
    own.filters.update(filters or {})
    try:
        return load(source).render(**values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{where}: line {error.lineno}: {error.message}") from None
    except jinja2.TemplateError as error:
        raise TemplateError(f"{where}: {error.message}") from None
