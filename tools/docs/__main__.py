"""Writes the generated pages of docs/ from the contracts: contract.md and settings.md. `./clickstream docs`."""

from pathlib import Path

from clickstream_contracts import render, schema
from tools.common.command import new_app, run_app

DOCS = Path(__file__).parents[2] / "docs"
app = new_app("Write the generated pages of docs/.")


@app.command()
def docs() -> None:
    """Write docs/contract.md and docs/settings.md."""
    (DOCS / "contract.md").write_text(render.page([schema.event(), *schema.tables().values()]))
    (DOCS / "settings.md").write_text(render.settings_page())
    print(f"wrote {DOCS.name}/contract.md and {DOCS.name}/settings.md")


if __name__ == "__main__":
    run_app(app)
