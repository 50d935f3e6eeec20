"""The training: a model of a release of the features, judged by a gate before anybody is served by it."""

from airflow.sdk import DAG, Param, PartitionedAssetTimetable, chain

from clickstream.house import FEATURES, MODEL, Tag, defaults
from clickstream.operators.model import OpenGate, PinData
from clickstream.operators.nessie import CreateBranch, DropBranch, PinMain, PublishBranch, RunAgain, SealBranch, remember_head
from clickstream.runtime import rt
from clickstream.templates import BRANCH, MACROS, TAG, TODAY, on_ray, pulled, receipt
from clickstream_contracts import names

DOCS = """
# The training

After each release of `clickstream_features`, at its tag: **train** tries settings with Ray Tune, trains the best, and lets it, the model
in service and mere popularity answer the newest sessions, which none of them has seen. **register** judges the model and writes
`ml.models` and `ml.evaluations` on a branch of its own, refused models too; one merge publishes both tables.
**gate** announces a model that passed, which starts `clickstream_rollout`.
A refused one ends the run here, and what serves stays.

| you want | do |
|---|---|
| another release of the features | trigger with *tag*; `python -m tools.refs tags` lists them |
| a longer search | trigger with *trials* |
| the same model again | trigger with the same *tag*, *seed* and *trials*: it gets the same sha256 |

**When it fails.** `gate` *... is refused*: the message names each reason with its number; `register` holds all of them in its XCom.
That is a verdict, no fault: the next release of the features is another chance. `train` *... too few to train on*: the tag holds too
few sessions. `train` *Ray does not know ...*: the head was started anew; the task tries again. `merge` *main changed ...*: somebody else
wrote the same table; `run_again` starts the run anew, at most twice. Runs wait for each other.
"""

PARAMS = {
    "tag": Param(None, type=["null", "string"], title="Tag", description="Default: the release that started this, or main."),
    "trials": Param(4, type="integer", minimum=0, maximum=200, title="Trials", description="Settings to try."),
    "seed": Param(7, type="integer", minimum=0, title="Seed", description="Of search and training."),
}

with DAG(
    dag_id=names.TRAIN,
    doc_md=DOCS,
    schedule=PartitionedAssetTimetable(assets=FEATURES),
    catchup=False,
    max_active_runs=1,
    tags=[Tag.BATCH, Tag.MODEL],
    params=PARAMS,
    default_args=defaults(minutes=10),
    user_defined_macros=MACROS,
):
    pin_main = PinMain(task_id="pin_main")
    pin_data = PinData(task_id="pin_data", tag=TAG, pinned=pin_main.output)
    create_branch = CreateBranch(task_id="create_branch", pinned=pin_main.output)

    search = ("--trials", "{{ params.trials }}", "--seed", "{{ params.seed }}", "--ray", "auto")
    champion = ("--champion-at", f"{names.MAIN}@{{{{ ti.xcom_pull(task_ids='pin_main') }}}}")
    train = rt.ray_job(on_ray("train", pulled("pin_data", "ref"), *champion, *search), task_id="train", **defaults(minutes=120))
    made = ("--training", receipt("train"), "--data-commit", pulled("pin_data", "commit"))
    register = rt.ray_job(on_ray("register", BRANCH, *made), task_id="register", post_execute=remember_head)

    seal = SealBranch(task_id="seal", pinned=pin_main.output, writers=["register"])
    merge = PublishBranch(task_id="merge", pinned=pin_main.output, sealed=seal.output, day=TODAY)
    merge >> RunAgain(task_id="run_again", asked={"tag": TAG})
    gate = OpenGate(task_id="gate", registered=register.output, release=merge.output, asset=MODEL)
    drop_branch = DropBranch(task_id="drop_branch", keep_on_failure="")

    chain(pin_main, pin_data, create_branch.as_setup(), train, register, seal, merge, [gate, drop_branch])
    # Its failure does not decide the run: a teardown that did would hide a refused model. `make doctor` names a branch left over.
    drop_branch.as_teardown(setups=create_branch)
