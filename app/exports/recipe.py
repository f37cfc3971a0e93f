"""The code and the commands that make the shown runs again and look at the same values."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

import titans_core as tc
from app import foreign, naming, samples
from app.exports.names import Finished, View, began_file, stem, text_stem
from app.figures.aggregate import layer_words
from app.theme import SIGNALS
from titans_core.documents import kind_of
from titans_core.errors import DocumentError
from titans_core.interventions import written
from titans_core.settings import Settings

MARK = "\ufeff"  # at the start of a file it is a mark of its encoding; a text that begins with one needs two


def text_file(run: Finished) -> tuple[str, bool]:
    """(path of the text, whether it is a sample of the repository; else it is to be saved under this name)."""
    found = next((s for s in samples.samples() if s.text == run.ds.attrs["text"]), None)
    return (f"assets/samples/{found.file}", True) if found else (f"{text_stem(run.title)}.txt", False)


def text_bytes(run: Finished) -> bytes:
    """The text as a file that `titans trace` and the code below read back exactly."""
    text = str(run.ds.attrs["text"])
    return (MARK * text.startswith(MARK) + text).encode()


def python(runs: Sequence[Finished], view: View) -> str:
    """Python that runs the text through the same memories and picks the values that were looked at."""
    path, _ = text_file(runs[0])
    first = runs[0].ds
    lines = [
        "from pathlib import Path",
        "",
        "import torch",
        "",
        "import titans_core as tc",
        *(["from titans_core import snapshot"] if any(map(_began, runs)) else []),
        *(["from titans_core.signals import sum_layers"] if _over_layers(runs, view) else []),
        "",
        "torch.set_num_threads(1)  # as in the app: other numbers of threads may change the last digits",
        *_where(runs),
        f'text = Path({_literal(path)}).read_bytes().decode("utf-8-sig")',
        *(line for k, run in enumerate(runs) for line in _run(run, _name(k, runs))),
        f'assert {_name(0, runs)}.attrs["text_sha256"] == {_literal(first.attrs["text_sha256"])}, "another text"',
        "",
        *(line for k, run in enumerate(runs) for line in _picked(run, _name(k, runs), view)),
    ]
    return "\n".join(lines) + "\n"


def command(runs: Sequence[Finished]) -> str:
    """The lines of a shell that make the same runs and open them in this page."""
    path, _ = text_file(runs[0])
    path = shlex.quote(path) + " --plain" * _looks_like_more(runs[0], path)
    device = shlex.quote(_device(runs[0]))
    out = f"runs/{stem(runs)[: -len(runs[0].id[:6]) - 1]}"
    if any(_changes(run) or _began(run) or foreign.library(run.ds.attrs) for run in runs):
        traced = [_alone(run, k, path, device, out) for k, run in enumerate(runs, start=1)]
    else:
        names = list(dict.fromkeys(_checkpoint(run) for run in runs))
        chosen = " ".join(f"--checkpoint {shlex.quote(name)}" for name in names)
        traced = [f"titans trace {path} {chosen} --device {device} --out {shlex.quote(out)}"]
    return "\n".join([*_where(runs), *traced, f"python -m app {shlex.quote(out)}"]) + "\n"


def _looks_like_more(run: Finished, path: str) -> bool:
    """Whether the saved text would be taken for HTML or another file than text: it is to be read as it stands."""
    try:
        return kind_of(text_bytes(run), path) not in ("text", "markdown")
    except DocumentError:
        return True


def _alone(run: Finished, k: int, path: str, device: str, out: str) -> str:
    """One run with what was changed in it, in a store of its own. path: quoted for a shell."""
    if library := foreign.library(run.ds.attrs):
        return f"# {naming.of(run.ds)} is a model of {library}: tc.trace_foreign of Python reads it (docs/adapters.md)"
    name = _checkpoint(run)
    changes = "".join(f" --set {shlex.quote(text)}" for text in _changes(run))
    begin = f" --from-memory {shlex.quote(began_file(run))}" if _began(run) else ""
    store = shlex.quote(f"{out}/{k}-{Path(name).name}.zarr")
    chosen = f"--checkpoint {shlex.quote(name)} --device {device}{changes}{begin}"
    return f"titans trace {path} {chosen} --out {store}"


def _literal(text: str) -> str:
    """A Python string: JSON's escapes are Python's too."""
    return json.dumps(str(text), ensure_ascii=False)


def _name(k: int, runs: Sequence[Finished]) -> str:
    """A variable of Python: ds, or ds_mac, ds_mag; with a number where two runs would share it."""
    if len(runs) == 1:
        return "ds"
    own = [_identifier(run) for run in runs]
    return own[k] if own.count(own[k]) == 1 else f"{own[k]}_{k + 1}"


def _identifier(run: Finished) -> str:
    known = str(run.ds.attrs["checkpoint"])
    return "ds_" + "".join(c if c.isascii() and c.isalnum() else "_" for c in known.lower())[:24]


def _where(runs: Sequence[Finished]) -> list[str]:
    path, shipped = text_file(runs[0])
    lines = [f"# save the text of the run as {path} (Export, Text) and start in its folder"]
    if shipped:
        lines = ["# in the folder of the repository, which has the samples"]
    began = [began_file(run) for run in runs if _began(run)]
    return lines + [
        f"# save there the memory that a run began with as {file} (Export, Memory, before)" for file in began
    ]


def _began(run: Finished) -> bool:
    """Whether the run began with a memory that was not empty."""
    return "memory_from" in run.ds.attrs


def _run(run: Finished, name: str) -> list[str]:
    if library := foreign.library(run.ds.attrs):
        store = _literal(f"PATH/TO/{run.ds.attrs['checkpoint']}.zarr")
        return [f"{name} = tc.open_trace({store})  # of a model of {library}, by tc.trace_foreign (docs/adapters.md)"]
    changes = ", ".join(map(_literal, _changes(run)))
    given = f", settings=tc.intervene({changes})" if changes else ""
    model = f"tc.load({_literal(_checkpoint(run))}, device={_literal(_device(run))})"
    if not _began(run):
        return [f"{name} = tc.trace({model}, text{given})"]
    return [
        f"model = {model}",
        f"state = snapshot.begin(model, snapshot.load(Path({_literal(began_file(run))})))",
        f"{name} = tc.trace(model, text, state=state{given})",
    ]


def _checkpoint(run: Finished) -> str:
    """A shipped name, or where the own checkpoint of that name is to be found."""
    known = str(run.ds.attrs["checkpoint"])
    return known if known in tc.checkpoints() else f"PATH/TO/{known}"


def _device(run: Finished) -> str:
    return str(run.ds.attrs["device"]).partition(":")[0]


def _changes(run: Finished) -> list[str]:
    """What the run did otherwise than its checkpoint, as `titans trace --set` takes it."""
    return written(Settings.from_dict(json.loads(str(run.ds.attrs["settings"]))))


def _over_layers(runs: Sequence[Finished], view: View) -> bool:
    return view.layer is None and any(view.signal in run.ds and "layer" in run.ds[view.signal].dims for run in runs)


def _picked(run: Finished, ds: str, view: View) -> list[str]:
    """values of one run: what the text is coloured by, and the one at the selected token."""
    if view.signal not in run.ds:
        return [f"# {ds} has no {view.signal}"]
    name = ds.replace("ds", view.signal, 1)
    rule = layer_words(run.ds, view.signal, view.layer)
    if "layer" not in run.ds[view.signal].dims:
        value = f'{ds}["{view.signal}"].values'
    elif view.layer is None:
        value = f'sum_layers("{view.signal}", {ds}["{view.signal}"].values)'
    else:
        value, rule = f'{ds}["{view.signal}"].sel(layer={view.layer}).values', f"{rule} on the page"
    said = f"{naming.of(run.ds)}: {SIGNALS[view.signal].label.lower()}, {rule}"
    lines = [f"{name} = {value}  # {' '.join(said.split())}"]
    if view.token is not None:
        lines.append(f"print({name}[{view.token}])  # token {view.token + 1} on the page")
    if view.range is not None:
        low, high = view.range
        lines.append(f"print({name}[{low}:{high}])  # tokens {low + 1} to {high} on the page")
    return lines
