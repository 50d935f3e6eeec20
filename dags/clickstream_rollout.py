"""The rollout: a model that passed the gate meets 10, 50 and 100 % of the users, with a look at it between the steps."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, TriggerRule, chain

from clickstream.dag_defaults import MODEL, ROLLOUT, Tag, defaults
from clickstream.operators.nessie import PinMain
from clickstream.operators.rollout import TagRollout
from clickstream.runtime import ToolJob, rt
from clickstream.templates import ASKED_MODEL, MACROS, NEW_RELEASE, RULES, TODAY, fact, on_main
from clickstream_contracts import names

DOCS = """
# The rollout

After each model that `clickstream_train` let through the gate. Each step is one row of `serving.rollout`, written by one commit on main;
replicas follow it within seconds, a user stays on one side. **check** watches both arms between the steps: the candidate must be the
model that was asked for, must answer, with no larger share of errors than the stable model, about as fast, and its lists must not be
clicked less beyond chance. When no shopper comes by, it asks itself. **finish** makes the candidate the stable model; **tag** gives that
commit the release's name.

| you want | do |
|---|---|
| a model of `ml.models` rolled out by hand | trigger with *model*: the gate must have passed it |
| an earlier release back | trigger `clickstream_rollback` with its name; `python -m tools.lake.refs tags` lists them |

**When it fails.** `check_...`: the message says what the candidate did worse; **back** has already given all users the model that served
before, and the run is failed. `start` *... is not what was written*: a byte of the model differs; nobody met it. `start` *... is being
rolled out*: another rollout was broken off; roll back to the release that should serve. Runs wait for each other.
"""

PARAMS = {"model": Param(None, type=["null", "string"], title="Model", description="sha256. Default: the model that started this.")}

with DAG(
    dag_id=names.ROLLOUT,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=MODEL),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args=defaults(minutes=15),
    user_defined_macros=MACROS,
):
    release = ("--release", NEW_RELEASE)
    variants = ToolJob("rollout", ("check", "--candidate", ASKED_MODEL))

    pin_main = PinMain(task_id="pin_main")
    began = ("start", *release, "--candidate", ASKED_MODEL, "--share", "10", "--rule-version", RULES)
    start = rt.ray_job(on_main("rollout", *began), task_id="start")
    check_10 = rt.tool(variants, task_id="check_10")
    half = ("step", *release, "--share", "50", "--reason", fact("check_10", "reason"))
    widen_50 = rt.ray_job(on_main("rollout", *half), task_id="widen_50")
    check_50 = rt.tool(variants, task_id="check_50")
    whole = ("step", *release, "--share", "100", "--reason", fact("check_50", "reason"))
    widen_100 = rt.ray_job(on_main("rollout", *whole), task_id="widen_100")
    check_100 = rt.tool(variants, task_id="check_100")
    finish = rt.ray_job(on_main("rollout", "finish", *release, "--reason", fact("check_100", "reason")), task_id="finish")
    tag = TagRollout(task_id="tag", finished=finish.output, pinned=pin_main.output, day=TODAY, asset=ROLLOUT)

    steps = [start, check_10, widen_50, check_50, widen_100, check_100, finish]
    undone = ("back", *release, "--reason", "a step or its check failed")
    back = rt.ray_job(on_main("rollout", *undone), task_id="back", trigger_rule=TriggerRule.ONE_FAILED)
    chain(pin_main, *steps, tag)
    steps >> back
