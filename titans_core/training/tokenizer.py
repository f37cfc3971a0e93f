"""Train the tokenizer: `python -m titans_core.training.tokenizer --data FOLDER --out assets/tokenizer.json`.

The shipped assets/tokenizer.json was trained by this command on the files SHARDS of the corpus, 54 MB of a
uniform sample. FOLDER holds those files. Two runs give the same bytes, whatever the number of cores.

How text is cut before merging (no merge crosses a cut):
- a letter run, marks included, with the one space before it: words are what a reader thinks in;
- every digit alone: a number is always the same tokens, wherever it stands, so recall of it can be read off;
- a run of other signs with the one space before it;
- white space, line ends together, the last space left to the word that follows it.
Every run is bounded: merging a run of n characters costs more than n steps, and a whole text may be one run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from titans_core.corpus import read_documents
from titans_core.tokenizer import SEPARATOR, Tokenizer

SHARDS = ("train-00.jsonl.xz", "train-01.jsonl.xz")

SPLIT = "|".join(
    (
        r"['’](?:[sdmtSDMT]|ll|ve|re|LL|VE|RE)(?!\p{L})",
        r" ?[\p{L}\p{M}]{1,32}",
        r"\p{N}",
        r" ?[^\s\p{L}\p{M}\p{N}]{1,16}",
        r"\s{0,16}[\r\n]{1,16}",
        r"\s{1,16}(?!\S)",
        r"\s{1,16}",
    )
)


def train(data: Path) -> bytes:
    """The tokenizer file trained on SHARDS in folder `data`. Raises ConfigError for bad or missing files."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SEPARATOR,  # ids 0..4094; the separator stays outside the library
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = read_documents([data / shard for shard in SHARDS])
    library.train_from_iterator(texts, trainer)
    return library.to_str(pretty=False).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the byte-level BPE tokenizer.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--out", type=Path, required=True, help="the tokenizer file to write")
    arguments = parser.parse_args()
    data = train(arguments.data)
    tokenizer = Tokenizer(data, "the trained tokenizer")  # checks it before anything is overwritten
    arguments.out.write_bytes(data)
    print(f"{arguments.out}: {len(data):,} bytes, sha256 {tokenizer.digest}")


if __name__ == "__main__":
    main()
