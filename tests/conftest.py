"""One thread for every test: two would wait for each other on a busy machine, and results must not depend on them."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
