"""Does surprise drive what is kept, on the samples: `python benchmarks/what_is_kept.py`.

Writes assets/measured/keeping.json, which the page of answers shows. A minute or two on two CPU cores.
"""

from __future__ import annotations

import json
from pathlib import Path

import titans_core as tc
from titans_core.probes.keeping import keeping

ASSETS = Path(__file__).parents[1] / "assets"


def main() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ASSETS / "samples").glob("*.txt"))}
    rows = []
    for name in ("mac", "mag", "mal", "lmm"):
        model = tc.load(name, device="cpu")
        for title, text in texts.items():
            found = keeping(tc.trace(model, text))
            rows.append({"checkpoint": name, "sample": title} | found.to_dict())
            print(
                f"{name:<4} {title:<28} surprise {found.surprise.value:+.2f} push {found.momentary.value:+.2f} "
                f"surprisal {found.nll.value:+.2f}  the most surprising tenth: {found.tenth:.0%}",
                flush=True,
            )
    record = {"command": "python benchmarks/what_is_kept.py", "rows": rows}
    (ASSETS / "measured").mkdir(exist_ok=True)
    (ASSETS / "measured/keeping.json").write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    main()
