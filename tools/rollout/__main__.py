"""Change the rollout pointer, compare the variants of a rollout, or ask for recommendations as a shop does."""

from tools.common.command import new_app, run_app
from tools.rollout.change import back, finish, rollback, start, step
from tools.rollout.check import check
from tools.rollout.recommend import recommend

app = new_app(__doc__)
for command in (start, step, finish, back, rollback, check, recommend):
    app.command()(command)

if __name__ == "__main__":
    run_app(app)
