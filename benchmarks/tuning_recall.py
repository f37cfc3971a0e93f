"""Recall by length on the tuning split, so that nothing is chosen by looking at the test split.

Words and numbers of the split "validation" (titans_core/tasks/vocabulary.py) in the prose of --data. Prints one line
per task and length. To repeat: python benchmarks/tuning_recall.py FOLDER --data STREAM
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

import titans_core as tc
from titans_core.corpus import training_stream
from titans_core.evaluation.answering import score
from titans_core.settings import Settings
from titans_core.tasks import Prose, TaskSource

TEXTS = {2048: 64, 8192: 32, 16_384: 32, 65_536: 16, 262_144: 8}
PROSE = 4_000_000  # tokens from the end of the corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("--data", required=True, help="as of titans train")
    parser.add_argument("--tasks", default="passkey,number,word")
    parser.add_argument("--max-length", type=int, default=65_536)
    parser.add_argument("--texts", type=int, help="so many a cell")
    args = parser.parse_args()
    model = tc.load(args.checkpoint)
    stream = training_stream([args.data], model.tokenizer, 1)
    source = TaskSource(model.tokenizer, "validation", Prose(stream[-PROSE:], model.tokenizer), pairs=1.0)
    for task in args.tasks.split(","):
        line = []
        begun = time.monotonic()
        for length, most in TEXTS.items():
            if length > args.max_length or (length > 65_536 and task != "passkey"):
                continue
            count = args.texts or most
            episodes = [source.test(task, np.random.default_rng((9, length, i)), length) for i in range(count)]
            answers = score(model, episodes, Settings())
            right = sum(a.exact for a in answers)
            bits = np.mean([a.bits / a.tokens for a in answers])
            line.append(f"{length}: {right}/{count} ({bits:.2f})")
        print(f"{args.checkpoint} {task}: {', '.join(line)}  [{time.monotonic() - begun:.0f} s]", flush=True)


if __name__ == "__main__":
    torch.set_float32_matmul_precision("high")
    main()
