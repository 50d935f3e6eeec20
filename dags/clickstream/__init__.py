"""The package `clickstream` for an Airflow whose plugins folder is not the one of this project, e.g. with a GitDagBundle.

Airflow puts the folder of the DAGs on sys.path, and nothing else of the repository. This package takes its modules from
`plugins/clickstream` beside that folder, and makes the contracts importable. Where `plugins/` is on sys.path, it is not used.
"""

import sys
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]

__path__ = [str(_REPOSITORY / "plugins" / "clickstream")]
# First, so that the contracts are those of the same commit, also if others are installed.
sys.path.insert(0, str(_REPOSITORY / "contracts"))
