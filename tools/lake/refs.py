"""Branches, tags and commits of the lake: list, compare, drop. `python -m tools.lake.refs --help`."""

import sys
from typing import Annotated, Any

import httpx
import typer
from pyiceberg.catalog.rest import RestCatalog
from rich.console import Console
from rich.table import Table

from clickstream_contracts import names
from tools.common.command import current_settings, run_app
from tools.lake import catalog as lake

app = typer.Typer(help="Branches, tags and commits of the lake.", no_args_is_help=True, pretty_exceptions_enable=False)
# Names are for copying: piped output is as wide as they are.
console = Console(width=None if sys.stdout.isatty() else 200)
Ref = Annotated[str, typer.Argument(help="A branch, a tag, or branch@commit.")]


def nessie(method: str, path: str, **kwargs: Any) -> Any:
    """One request to Nessie's REST v2; a refusal ends the command with Nessie's own words."""
    settings = current_settings()
    try:
        answer = httpx.request(method, f"{settings.nessie_uri}/api/v2/{path}", timeout=30, **kwargs)
    except httpx.TransportError as error:
        typer.echo(f"Nessie does not answer at {settings.nessie_uri} ({error}); start it with `make up`", err=True)
        raise typer.Exit(1) from None
    if answer.is_error:
        typer.echo(f"{path}: {answer.json().get('message', answer.text)}", err=True)
        raise typer.Exit(2)
    return answer.json() if answer.content else None


def references(kind: str) -> list[dict[str, str]]:
    """All branches or all tags."""
    return [ref for ref in nessie("GET", "trees")["references"] if ref["type"] == kind]


def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a small table."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command()
def branches() -> None:
    """List the branches."""
    show("branches", ["branch", "commit"], [[r["name"], r["hash"]] for r in references("BRANCH")])


@app.command()
def tags() -> None:
    """List the releases."""
    show("tags", ["tag", "commit"], [[r["name"], r["hash"]] for r in references("TAG")])


@app.command()
def log(ref: Ref = names.MAIN, most: Annotated[int, typer.Option("-n", help="How many commits.", min=1)] = 20) -> None:
    """List a ref's commits, the newest first."""
    entries = nessie("GET", f"trees/{ref}/history", params={"max-records": most})["logEntries"]
    metas = [entry["commitMeta"] for entry in entries]
    show(ref, ["commit", "when", "message"], [[m["hash"], m["commitTime"][:19], m["message"].splitlines()[0][:90]] for m in metas])


@app.command()
def diff(left: Ref, right: Ref) -> None:
    """List the tables that differ between two refs, with their rows on both sides."""
    found = nessie("GET", f"trees/{left}/diff/{right}")["diffs"]
    changed = [".".join(d["key"]["elements"]) for d in found if (d.get("to") or d["from"])["type"] == "ICEBERG_TABLE"]
    sides = [lake.catalog(current_settings(), ref) for ref in (left, right)]
    show(f"{left} -> {right}", ["table", left, right], [[name, *(rows(side, name) for side in sides)] for name in sorted(changed)])


def rows(at: RestCatalog, table: str) -> str:
    """The table's row count there, `-` where it does not exist."""
    return str(lake.rows(at, table)) if at.table_exists(table) else "-"


@app.command()
def drop(branch: Annotated[str, typer.Argument(help="A branch that a run left behind.")]) -> None:
    """Drop a branch that a run left behind."""
    if branch == names.MAIN:
        typer.echo("main is never dropped", err=True)
        raise typer.Exit(2)
    commit = nessie("GET", f"trees/{branch}")["reference"]["hash"]
    nessie("DELETE", f"trees/{branch}@{commit}", params={"type": "BRANCH"})
    console.print(f"dropped {branch}")


if __name__ == "__main__":
    run_app(app)
