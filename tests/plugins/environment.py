"""Environment of an Airflow for tests. Import it before Airflow, which reads its environment variables when it is imported."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOME = Path(tempfile.mkdtemp(prefix="airflow-tests-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

os.environ |= {
    "AIRFLOW_HOME": str(HOME),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{HOME}/airflow.db",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    # The first import of the Kubernetes clients takes more than the default 30 s on a busy machine.
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
}
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT / "contracts")]
