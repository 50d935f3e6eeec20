"""Every name that two rooms must agree on is made here, and nowhere else."""

import hashlib
import re
from datetime import date
from typing import Any

MAIN = "main"
CLICKS_TOPIC = "clicks.v1"
EVENT_VERSION = 1

LAKE_JOB = "clicks_to_lake"
LAKE_GROUP = "clicks_to_lake"

SCORES_TOPIC = "fraud.scores.v1"
ALERTS_TOPIC = "fraud.alerts.v1"
LATE_TOPIC = "clicks.late.v1"
NEIGHBOURS_TOPIC = "item.neighbours.v1"
RECOMMENDATIONS_TOPIC = "recommendations.v1"
TOPICS = (CLICKS_TOPIC, SCORES_TOPIC, ALERTS_TOPIC, LATE_TOPIC, NEIGHBOURS_TOPIC, RECOMMENDATIONS_TOPIC)

FRAUD_JOB = "fraud_scores"
FRAUD_LAKE_JOB = "fraud_to_lake"
RECOMMENDATIONS_JOB = "recommendations"

# In the order in which the streams feed one another.
STREAM_JOBS = (LAKE_JOB, FRAUD_JOB, FRAUD_LAKE_JOB, RECOMMENDATIONS_JOB)

NIGHTLY = "clickstream_nightly"
FEATURES = "clickstream_features"
STREAMS = "clickstream_streams"
TRAIN = "clickstream_train"
ROLLOUT = "clickstream_rollout"
ROLLBACK = "clickstream_rollback"
BATCH_DAGS = (NIGHTLY, FEATURES, TRAIN, ROLLOUT, ROLLBACK)
BRANCH_PREFIX = "etl_"
MAX_REPEATS = 2

QUARANTINE_REASONS = (
    "not_json",
    "unknown_version",
    "missing_field",
    "bad_type",
    "bad_value",
    "time_out_of_range",
    "too_large",
)


def slug(text: str) -> str:
    """`text` with everything but letters, digits, dot and dash turned into `_`: safe in branch names and keys."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")


def day(text: str) -> str:
    """`text` if it is a day as YYYY-MM-DD; raises ValueError that says so otherwise."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a day: write it as YYYY-MM-DD") from None


def branch(dag_id: str, run_id: str) -> str:
    """The Nessie branch of one DAG run, e.g. `etl_clickstream_nightly_manual_2026-01-02`."""
    return f"{BRANCH_PREFIX}{slug(dag_id)}_{slug(run_id)}"


def again(run_id: str) -> str:
    """The id of the run that repeats `run_id`, e.g. `again1_manual__2026-01-02`, and then `again2_...`; '' for a run repeated twice."""
    repeated = re.match(r"again(\d)_", run_id)
    number = int(repeated[1]) if repeated else 0
    return f"again{number + 1}_{run_id.removeprefix(f'again{number}_')}" if number < MAX_REPEATS else ""


def release_tag(dag_id: str, day_text: str, commit: str) -> str:
    """The tag of a published run: the same merge commit always gets the same tag."""
    return f"{slug(dag_id).removeprefix('clickstream_')}_{day(day_text)}_{commit[:8]}"


def receipt_key(dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
    """Key of the receipt that one try of one task writes, below the bucket."""
    return f"receipts/{slug(dag_id)}/{slug(run_id)}/{slug(task_id)}_{attempt}.json"


def model(run: str) -> str:
    """Key prefix of the model that a run trains, below the bucket."""
    return f"models/{slug(run)}"


def release(day_text: str, model_sha256: str) -> str:
    """The name, and the tag, of what is served once this model is rolled out."""
    return f"release_{day(day_text)}_{model_sha256[:8]}"


def receipts(branch_name: str) -> str:
    """Key prefix of the receipts of the run with this branch, below the bucket; '' for a branch of no run."""
    rest = branch_name.removeprefix(BRANCH_PREFIX)
    dags = [dag_id for dag_id in BATCH_DAGS if rest.startswith(f"{dag_id}_")]
    return f"receipts/{dags[0]}/{rest.removeprefix(f'{dags[0]}_')}/" if dags else ""


def namespace(component: str) -> str:
    """The Kubernetes namespace of a component, which is a folder of manifests/base."""
    return f"clickstream-{component}"


def pod(dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
    """Name in a cluster of what one try of one task starts: the same try always gets the same name, no other does."""
    run = hashlib.sha256(f"{dag_id} {run_id} {task_id}".encode()).hexdigest()[:10]
    return f"{re.sub('[^a-z0-9]+', '-', task_id.lower()).strip('-')[:30]}-{run}-{attempt}"


def pods(ti: Any) -> list[str]:
    """Names in a cluster of every try of a task so far, the present one last."""
    return [pod(ti.dag_id, ti.run_id, ti.task_id, number) for number in range(1, ti.try_number + 1)]


def flink_job(app: str, definition: str) -> str:
    """A Flink job's name carries the hash of its definition, so the cluster itself knows what it runs."""
    return f"{app}@{definition[:12]}"


def checkpoints(app: str) -> str:
    """Key prefix of a Flink app's checkpoints below the bucket."""
    return f"flink/{slug(app)}/checkpoints"


def savepoints(app: str) -> str:
    """Key prefix of a Flink app's savepoints below the bucket."""
    return f"flink/{slug(app)}/savepoints"


def statements(app: str, definition: str) -> str:
    """Key of the SQL that one definition of a Flink app ran, kept for the way back."""
    return f"flink/{slug(app)}/definitions/{definition[:12]}.sql"
