"""The training: train a model on a features release, register it, and announce it if it passes the gate."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, chain

from clickstream.dag_defaults import FEATURES_ASSET, MODEL_ASSET, Tag, task_defaults
from clickstream.operators.model import GateOperator, PinDataOperator
from clickstream.operators.nessie import remember_head
from clickstream.operators.pin_main import PinMainSensor
from clickstream.publication import publication_group, write_audit_publish
from clickstream.runtime import runtime
from clickstream.templates import ACCEPT_LESS_DATA, BRANCH, FEATURES_TAG, MACROS, OF_RERUN, TODAY, ray_job, receipt_json, xcom_value
from clickstream_contracts import names

DOCS = """
# Training

Triggered by each release of `clickstream_features`, at its tag. **train** tunes the settings with Ray Tune, trains the best ones, and
evaluates the new model, the served model as it serves, popularity and co-visitation on the newest sessions, which none of them knows.
**register** applies the gate and writes `ml.models` and `ml.evaluations` on a branch, also for a refused model; one merge publishes both
tables. **gate** announces a model that passed, which triggers `clickstream_rollout`. If the gate refuses the model, **gate** is skipped and
the served model stays.

| you want | do |
|---|---|
| to train on another features release | trigger with *tag*; `./clickstream refs tags` lists the tags |
| a longer hyperparameter search | trigger with *trials* |
| to accept a model with much less data than the served one, such as after an erasure | trigger with *tag* and *accept less data* |
| to reproduce a model | trigger with the same *tag*, *seed* and *trials*: the model gets the same sha256 |

The log of a skipped **gate** names each reason of the refusal with its numbers; XCom of `register` holds all of them. That is a result,
not a failure: the next features release trains a new model.

**Failures**

| task | message | cause and action |
|---|---|---|
| `pin_data` | is a branch | training reads a tag, whose data does not change while it runs |
| `train` | too few to train on | the tag holds too few training sessions |
| `train` | Ray lost the job | the Ray head was restarted; the next try submits the job again |
| `merge` | merge conflict | another writer changed the same table on main; `rerun` repeats the run, at most twice |

Runs wait for each other.
"""

PARAMS = {
    "tag": Param(None, type=["null", "string"], title="Tag", description="Default: the features release that triggered the run, or main."),
    "trials": Param(4, type="integer", minimum=0, maximum=200, title="Trials", description="Number of settings to try."),
    "seed": Param(7, type="integer", minimum=0, title="Seed", description="Seed of tuning and training."),
    "accept_less_data": Param(
        False, type="boolean", title="Accept less data", description="The data is much less than the served model's on purpose."
    ),
    **OF_RERUN,
}

with DAG(
    dag_id=names.TRAIN,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=FEATURES_ASSET),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args=task_defaults(minutes=10),
    user_defined_macros=MACROS,
):
    pin_main = PinMainSensor(task_id="pin_main")
    pin_data = PinDataOperator(task_id="pin_data", tag=FEATURES_TAG, pinned=pin_main.output)

    champion = ("--champion-at", f"{names.MAIN}@{xcom_value('pin_main')}")
    tuning = ("--trials", "{{ params.trials }}", "--seed", "{{ params.seed }}", "--ray", "auto")
    training = ("--training", receipt_json("train"), "--data-commit", xcom_value("pin_data", "commit"), ACCEPT_LESS_DATA)
    with publication_group():
        train = runtime.ray_job(
            ray_job("train", xcom_value("pin_data", "ref"), *champion, *tuning), task_id="train", **task_defaults(minutes=120)
        )
        register = runtime.ray_job(ray_job("register", BRANCH, *training), task_id="register", post_execute=remember_head)
        publication = write_audit_publish(
            pin_main,
            [train, register],
            writers={"register": "ray_apps.jobs.register"},
            day=TODAY,
            rerun_conf={"tag": FEATURES_TAG, "partition": TODAY},
        )
    gate = GateOperator(task_id="gate", registered=register.output, release=publication.merge.output, asset=MODEL_ASSET)
    chain(pin_main, pin_data, publication.create_branch)
    publication.merge >> gate
