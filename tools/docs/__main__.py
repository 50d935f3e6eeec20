"""Renews the generated pages of docs/ from the contracts."""

from pathlib import Path

from clickstream_contracts import render, schema

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    """Write docs/contract.md and docs/settings.md."""
    (DOCS / "contract.md").write_text(render.page([schema.event(), *schema.tables().values()]))
    (DOCS / "settings.md").write_text(render.settings_page())
    print(f"wrote {DOCS.name}/contract.md and {DOCS.name}/settings.md")


if __name__ == "__main__":
    main()
