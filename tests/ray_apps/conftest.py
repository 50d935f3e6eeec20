"""One OpenMP thread for LightGBM: on small tables several threads are slower, because they wait for each other."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
