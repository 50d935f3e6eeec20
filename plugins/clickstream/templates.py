"""What a task learns only when it runs, as Jinja; DAGs that use it pass MACROS."""

from clickstream.runtime.base import LONG_LIVED, SHORT_LIVED, SparkJob
from clickstream_contracts import names

MACROS = {"names": names}

# A day asked for wins; else the partition's day; else, for a run by hand, the day before it was asked for.
DAY = "{{ names.day(params.day or dag_run.partition_key or (dag_run.run_after - macros.timedelta(days=1)).strftime('%Y-%m-%d')) }}"
BRANCH = "{{ names.branch(dag.dag_id, run_id) }}"
REBUILD = "{{ '--rebuild' if params.rebuild else '' }}"
KEEP = "{{ 'keep' if params.keep_branch_on_failure else '' }}"

# Executors of a run that reads many events get both compilers, which pay after a minute; for few events they only cost.
MANY_EVENTS = 500_000
_KEPT = "ti.xcom_pull(task_ids='wait_for_lake')['facts']['cut'].values() | sum"
JIT_BY_SIZE = (("spark.executor.extraJavaOptions", f"{{{{ '{LONG_LIVED}' if {_KEPT} > {MANY_EVENTS} else '{SHORT_LIVED}' }}}}"),)


def fact(task_id: str, name: str) -> str:
    """A fact of the receipt of `task_id`, as JSON."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['facts']['{name}'] | tojson }}}}"


def days(task_id: str) -> str:
    """The days that the receipt of `task_id` lists, with commas between."""
    return f"{{{{ ti.xcom_pull(task_ids='{task_id}')['facts']['days'] | join(',') }}}}"


def on_branch(app: str, *args: str, at: str = "", conf: tuple[tuple[str, str], ...] = ()) -> SparkJob:
    """A Spark app of this run, on its branch or, with `at`, on one commit of it."""
    return SparkJob(app, ("--ref", BRANCH + at, "--run", BRANCH, "--day", DAY, *args), conf)
