"""Files of the evaluation data, which is no part of the project."""

from pathlib import Path

import pytest


def evaluation_file(data_dir: Path, name: str) -> Path:
    """Returns the path of a file below the folder of the evaluation data; skips the test where it does not exist."""
    path = data_dir / name
    if not path.exists():
        pytest.skip(f"{path} does not exist: set CLICKSTREAM_DATA_DIR to the evaluation data")
    return path
