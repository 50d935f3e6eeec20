"""Small tables are done sooner by one thread: several would wait for each other on a busy machine."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
