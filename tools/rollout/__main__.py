"""Compare the variants of a rollout, or ask for recommendations as a shop does. `python -m tools.rollout --help`."""

import typer

from tools.common.command import run_app
from tools.rollout.check import check
from tools.rollout.recommend import recommend

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)
app.command()(check)
app.command()(recommend)

if __name__ == "__main__":
    run_app(app)
