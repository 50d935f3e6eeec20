"""Renders SQL files with Jinja2: the one template language of all SQL in the project.

`session_pause` is defined in every template: the pause that ends a session, as an interval.
An undefined variable is an error (StrictUndefined). Nothing is escaped: values are bound by an engine's own `literal`
filter, and table names come from the contracts. The environment is sandboxed: a saved definition of a Flink job is read
from the object store, and a template must not be able to reach Python's internals.
"""

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from clickstream_contracts import sessions

Filters = Mapping[str, Callable[..., str]]

# Macros that several engines use: `{% import "formulas.sql" as formulas %}` with this folder in `include`.
SHARED_SQL = Path(__file__).parent / "sql"


class TemplateError(ValueError):
    """An SQL template cannot be rendered; the text names the file, the line and the variable."""


def environment(*folders: Path, filters: Filters | None = None) -> jinja2.Environment:
    """Returns a Jinja environment that loads templates from these folders; the first match wins."""
    jinja = SandboxedEnvironment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    jinja.filters.update(filters or {})
    jinja.globals["session_pause"] = f"INTERVAL '{sessions.PAUSE_MINUTES}' MINUTE"
    return jinja


def render_file(path: Path, values: Mapping[str, Any], *, filters: Filters | None = None, include: tuple[Path, ...] = ()) -> str:
    """Returns the SQL of the template in `path`, which may include or import files of its own folder and of `include`.

    Raises TemplateError.
    """
    jinja = environment(path.parent, *include, filters=filters)
    return _render(lambda: jinja.get_template(path.name), values, str(path))


def render_text(text: str, values: Mapping[str, Any], *, filters: Filters | None = None) -> str:
    """Returns the SQL of a template given as text. Raises TemplateError."""
    jinja = environment(filters=filters)
    return _render(lambda: jinja.from_string(text), values, "SQL template")


def _render(load: Callable[[], jinja2.Template], values: Mapping[str, Any], place: str) -> str:
    try:
        return load().render(**values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or place}: line {error.lineno}: {error.message}") from None
    except jinja2.TemplateError as error:
        raise TemplateError(f"{_template_line(error) or place}: {error.message}") from None


def _template_line(error: jinja2.TemplateError) -> str:
    """Returns the file and line of the innermost template in the traceback; '' for a template that is no file."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.endswith(".sql"):
            return f"{frame.filename}: line {frame.lineno}"
    return ""
