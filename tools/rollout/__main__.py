"""Compare the variants of a rollout, or ask for recommendations as a shop does."""

from tools.common.command import new_app, run_app
from tools.rollout.check import check
from tools.rollout.recommend import recommend

app = new_app(__doc__)
app.command()(check)
app.command()(recommend)

if __name__ == "__main__":
    run_app(app)
