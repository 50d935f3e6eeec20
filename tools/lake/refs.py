"""Branches, tags and commits of the lake: list, compare, drop."""

import sys
from typing import Annotated

import typer
from pyiceberg.catalog.rest import RestCatalog
from rich.console import Console
from rich.table import Table

from clickstream_contracts import names
from tools.common.command import UsageError, current_settings, new_app, report_errors, run_app
from tools.lake import catalog, nessie

app = new_app("Branches, tags and commits of the lake.")
# Piped output is wide enough to keep names and hashes whole: they are copied into the next command.
PIPE_WIDTH = 200
MESSAGE_LENGTH = 90
console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
Ref = Annotated[str, typer.Argument(help="A branch, a tag, or branch@commit.")]


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print rows of text as a table."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


@app.command()
@report_errors(nessie.NessieUnreachable)
def branches() -> None:
    """List the branches."""
    references = nessie.references(current_settings(), "BRANCH")
    print_table("branches", ["branch", "commit"], [[reference["name"], reference["hash"]] for reference in references])


@app.command()
@report_errors(nessie.NessieUnreachable)
def tags() -> None:
    """List the tags, one for each release."""
    references = nessie.references(current_settings(), "TAG")
    print_table("tags", ["tag", "commit"], [[reference["name"], reference["hash"]] for reference in references])


@app.command()
@report_errors(nessie.NessieUnreachable)
def log(ref: Ref = names.MAIN, limit: Annotated[int, typer.Option("-n", help="Number of commits.", min=1)] = 20) -> None:
    """List the commits of a ref, the newest first."""
    rows = []
    for commit in nessie.commits(current_settings(), ref, limit):
        first_line = commit["message"].splitlines()[0][:MESSAGE_LENGTH]
        rows.append([commit["hash"], commit["commitTime"][:19], first_line])
    print_table(ref, ["commit", "time", "message"], rows)


@app.command()
@report_errors(nessie.NessieUnreachable)
def diff(left: Ref, right: Ref) -> None:
    """List the tables that differ between two refs, with their row counts at both."""
    settings = current_settings()
    tables = nessie.changed_tables(settings, left, right)
    catalogs = [catalog.open_catalog(settings, ref) for ref in (left, right)]
    rows = [[table, *(row_count(side, table) for side in catalogs)] for table in tables]
    print_table(f"{left} -> {right}", ["table", left, right], rows)


def row_count(side: RestCatalog, table: str) -> str:
    """Returns the row count of a table, `-` where the table does not exist."""
    return str(catalog.row_count(side, table)) if side.table_exists(table) else "-"


@app.command()
@report_errors(nessie.NessieUnreachable)
def drop(branch: Annotated[str, typer.Argument(help="The branch of a failed run.")]) -> None:
    """Drop the branch of a failed run."""
    if branch == names.MAIN:
        raise UsageError(f"{names.MAIN} cannot be dropped: it is the published branch")
    nessie.drop_branch(current_settings(), branch)
    console.print(f"dropped {branch}")


if __name__ == "__main__":
    run_app(app)
