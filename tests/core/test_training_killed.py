"""A process that is killed while it saves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from titans_core.model import Model
from titans_core.training.optimizer import Optimizers
from titans_core.training.state import restore_state

KILLED = """
import sys, torch
from pathlib import Path
from titans_core.config import ModelConfig
from titans_core.model import Model
from titans_core.training.optimizer import Optimizers
from titans_core.training.state import save_state
model = Model(ModelConfig(variant="lmm", dim=64, heads=2))
optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
for step in range(1, 1_000_000):
    torch.nn.init.constant_(model.embed.weight, step)
    save_state(Path(sys.argv[1]), model, optimizers, {"step": step})
    print(step, flush=True)
"""


def test_a_process_killed_while_it_saves_leaves_a_whole_state(tiny_config, tmp_path: Path) -> None:
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        with child:
            saved = child.stdout.readline()
            time.sleep(float(np.random.default_rng().random()) * 0.2)
            child.send_signal(signal.SIGKILL)
            saved = ([saved, *child.stdout])[-1]
        model = Model(tiny_config("lmm", dim=64, heads=2, layers=3, ffn=384, window=64, chunk=1, persistent=4))
        optimizers = Optimizers(model, matrix_rate=0.02, other_rate=0.004)
        record = restore_state(tmp_path, model, optimizers, {})
        assert int(saved) <= record["step"] <= int(saved) + 1
        assert (model.embed.weight == record["step"]).all()
