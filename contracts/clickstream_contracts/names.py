"""Names that several packages share: topics, jobs, DAGs, branches, tags and the keys of files in the bucket."""

import hashlib
import re
from datetime import date

MAIN = "main"
CLICKS_TOPIC = "clicks.v1"
EVENT_VERSION = 1
# Begins the session_id of an event whose session, device and user are unknown: each such event has an id of its own.
UNKNOWN_SESSION = "unknown-"

CLICKS_TO_LAKE_JOB = "clicks_to_lake"
CLICKS_TO_LAKE_GROUP = "clicks_to_lake"

FRAUD_SCORES_TOPIC = "fraud.scores.v1"
FRAUD_ALERTS_TOPIC = "fraud.alerts.v1"
LATE_CLICKS_TOPIC = "clicks.late.v1"
ITEM_NEIGHBOURS_TOPIC = "item.neighbours.v1"
RECOMMENDATIONS_TOPIC = "recommendations.v1"
TOPICS = (CLICKS_TOPIC, FRAUD_SCORES_TOPIC, FRAUD_ALERTS_TOPIC, LATE_CLICKS_TOPIC, ITEM_NEIGHBOURS_TOPIC, RECOMMENDATIONS_TOPIC)

FRAUD_SCORES_JOB = "fraud_scores"
FRAUD_TO_LAKE_JOB = "fraud_to_lake"
RECOMMENDATIONS_JOB = "recommendations"

# Each stream reads the topics of those before it, so they are deployed in this order.
STREAM_JOBS = (CLICKS_TO_LAKE_JOB, FRAUD_SCORES_JOB, FRAUD_TO_LAKE_JOB, RECOMMENDATIONS_JOB)

# Exit code of a stream's app whose code or settings make another definition than the requested one.
DEFINITION_MISMATCH_EXIT_CODE = 3

NIGHTLY = "clickstream_nightly"
FEATURES = "clickstream_features"
STREAMS = "clickstream_streams"
TRAIN = "clickstream_train"
ROLLOUT = "clickstream_rollout"
ROLLBACK = "clickstream_rollback"
COMPACTION = "clickstream_compaction"
MAINTENANCE = "clickstream_maintenance"
ERASURE = "clickstream_erasure"
BATCH_DAGS = (NIGHTLY, FEATURES, TRAIN, ROLLOUT, ROLLBACK)
BRANCH_PREFIX = "etl_"
MAX_RERUNS = 2
# Key prefix in the bucket of the logs of Airflow's tasks in Kubernetes.
TASK_LOG_PREFIX = "airflow/logs"
# Key in the bucket of the record of dropped tags.
DROPPED_TAGS_KEY = "maintenance/dropped_tags.json"
# Key in the bucket of the record of commits that erasures have replaced by others.
REPLACED_COMMITS_KEY = "maintenance/replaced_commits.json"
# Property of curated.events: days with erased rows, which the next nightly run computes again; separated by commas.
ERASED_DAYS_PROPERTY = "clickstream.erased-days"

QUARANTINE_REASONS = (
    "not_json",
    "unknown_version",
    "missing_field",
    "bad_type",
    "bad_value",
    "time_out_of_range",
    "too_large",
)


def unknown_session(event_id: str) -> str:
    """Returns the session_id of an event that belongs to no known session; the same event gets the same id."""
    return UNKNOWN_SESSION + hashlib.sha256(event_id.encode(errors="surrogatepass")).hexdigest()[:32]


def slug(text: str) -> str:
    """Returns `text` with each run of characters other than letters, digits, dot and dash replaced by `_`."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")


def checked_day(text: str) -> str:
    """Returns `text` if it is a day written as YYYY-MM-DD. Raises ValueError otherwise."""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a day: write it as YYYY-MM-DD") from None


def branch(dag_id: str, run_id: str) -> str:
    """Returns the Nessie branch of a DAG run, e.g. `etl_clickstream_nightly_manual_2026-01-02`."""
    return f"{BRANCH_PREFIX}{slug(dag_id)}_{slug(run_id)}"


def rerun_id(run_id: str, pinned: str) -> str:
    """Returns the id of the run that repeats `run_id` after a merge conflict with commits after the commit `pinned`.

    The first rerun of `manual__2026-01-02` is `rerun1_9f2c4e0b_manual__2026-01-02`, the next one `rerun2_...`. A retry gets the same id,
    and a run that was cleared and pinned a newer main another one. Returns '' after MAX_RERUNS reruns.
    """
    earlier = re.match(r"rerun(\d)_(?:[0-9a-f]{8}_)?", run_id)
    number = int(earlier[1]) if earlier else 0
    if number >= MAX_RERUNS:
        return ""
    first_run_id = run_id[earlier.end() :] if earlier else run_id
    return f"rerun{number + 1}_{pinned[:8]}_{first_run_id}"


def next_days_id(run_id: str, first_day: str) -> str:
    """Returns the id of the run that continues the range of days of `run_id` with `first_day`.

    After `manual__1` it is `days_2026-01-11_manual__1`, after that one `days_2026-01-21_manual__1`. A rerun is continued like the run that
    it repeats.
    """
    first_run_id = re.sub(r"^(rerun\d_(?:[0-9a-f]{8}_)?)?(days_\d{4}-\d\d-\d\d_)?", "", run_id)
    return f"days_{checked_day(first_day)}_{first_run_id}"


def release_tag(dag_id: str, day_text: str, commit: str) -> str:
    """Returns the Nessie tag of a published run; it is a function of the merge commit, so a retry makes the same tag."""
    return f"{slug(dag_id).removeprefix('clickstream_')}_{checked_day(day_text)}_{commit[:8]}"


def receipt_key(dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
    """Returns the key in the bucket of the receipt that one try of a task writes."""
    return f"receipts/{slug(dag_id)}/{slug(run_id)}/{slug(task_id)}_{attempt}.json"


def receipt_prefix(branch_name: str) -> str:
    """Returns the key prefix in the bucket of the receipts of the run that owns a branch; '' if no DAG owns it."""
    branch_suffix = branch_name.removeprefix(BRANCH_PREFIX)
    for dag_id in BATCH_DAGS:
        if branch_suffix.startswith(f"{dag_id}_"):
            return f"receipts/{dag_id}/{branch_suffix.removeprefix(f'{dag_id}_')}/"
    return ""


def erasure_prefix(subject: str) -> str:
    """Returns the key prefix in the bucket of the certificates of a user's erasures. `subject`: the hash of the user's id."""
    return f"erasures/{subject}"


def model_prefix(run: str) -> str:
    """Returns the key prefix in the bucket of the model that a run trains."""
    return f"models/{slug(run)}"


def release_name(day_text: str, model_sha256: str) -> str:
    """Returns the name of a release of the recommender, which is also its Nessie tag, from the day and the model's hash."""
    return f"release_{checked_day(day_text)}_{model_sha256[:8]}"


def namespace(component: str) -> str:
    """Returns the Kubernetes namespace of a component (a folder of manifests/base)."""
    return f"clickstream-{component}"


def pod_name(dag_id: str, run_id: str, task_id: str, attempt: int) -> str:
    """Returns the name of the pod, Spark application or Ray job of one try of a task: unique, and equal at each call."""
    run_hash = hashlib.sha256(f"{dag_id} {run_id} {task_id}".encode()).hexdigest()[:10]
    task = re.sub("[^a-z0-9]+", "-", task_id.lower()).strip("-")[:30]
    return f"{task}-{run_hash}-{attempt}"


def flink_job_name(app: str, definition: str) -> str:
    """Returns the name of a Flink job. It holds the hash of the definition, so the cluster shows which one runs."""
    return f"{app}@{definition[:12]}"


def checkpoint_prefix(app: str) -> str:
    """Returns the key prefix in the bucket of a Flink app's checkpoints."""
    return f"flink/{slug(app)}/checkpoints"


def savepoint_prefix(app: str) -> str:
    """Returns the key prefix in the bucket of a Flink app's savepoints."""
    return f"flink/{slug(app)}/savepoints"


def upgrade_savepoint_prefix(app: str) -> str:
    """Returns the key prefix in the bucket of the savepoints before an upgrade of Flink; their job goes on."""
    return f"{savepoint_prefix(app)}/upgrade"


def last_good_key(app: str) -> str:
    """Returns the key in the bucket of the record of a Flink app's last definition that completed a checkpoint."""
    return f"flink/{slug(app)}/last_good.json"


def saved_statements_key(app: str, definition: str) -> str:
    """Returns the key in the bucket of the SQL of one definition of a Flink app; a rollback runs it again."""
    return f"flink/{slug(app)}/definitions/{definition[:12]}.sql"
