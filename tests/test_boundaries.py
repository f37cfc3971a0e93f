"""Imports go one way: read from the source with ast, so that nothing has to be installed or run."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("titans_core", "app")
    for path in (ROOT / package).rglob("*.py")
}

# Each level may import the levels below it, never one above. The longest matching name counts.
CORE_LEVELS = [
    {"titans_core.errors", "titans_core.assets", "titans_core.sheets", "titans_core.versions"},
    {"titans_core.config", "titans_core.documents", "titans_core.outputs", "titans_core.settings"},
    {"titans_core.tokenizer", "titans_core.interventions"},
    {"titans_core.corpus"},
    {"titans_core.tasks"},
    {"titans_core.memory"},
    {"titans_core.layers"},
    {"titans_core.variants"},
    {"titans_core.model"},
    {"titans_core.checkpoint", "titans_core.signals", "titans_core.divergence"},
    {
        "titans_core.storage",
        "titans_core.recognise",
        "titans_core.arguments",
        "titans_core.resumed",
        "titans_core.probe_options",
    },
    {"titans_core.pyramid", "titans_core.moments"},
    {"titans_core.memory_file", "titans_core.measured", "titans_core.writer"},
    {"titans_core.replay"},
    {"titans_core.record", "titans_core.slabs", "titans_core.snapshot"},
    {"titans_core.tracing", "titans_core.growth", "titans_core.adapters"},
    {"titans_core.passages", "titans_core.lineage", "titans_core.steady"},
    {"titans_core.lasting"},
    {"titans_core.evaluation"},
    {"titans_core.training", "titans_core.probes"},
    {"titans_core.compare_command", "titans_core.memory_command", "titans_core.summary"},
    {"titans_core.cli", "titans_core.__main__"},
    {
        "titans_core.bench",
        "titans_core.recall_command",
        "titans_core.niah_command",
        "titans_core.retention_command",
        "titans_core.sweeps",
    },
]
APP_LEVELS = [
    {"app", "app.words", "app.samples", "app.opening", "app.memories", "app.logs", "app.bare", "app.person"},
    {"app.theme"},
    {"app.naming", "app.measured", "app.places", "app.needles", "app.foreign"},
    {"app.figures", "app.jobs"},
    {"app.facts"},
    {"app.probing"},
    {"app.jobs.models", "app.jobs.work", "app.jobs.worker", "app.jobs.pool", "app.components", "app.exports"},
    {"app.runs", "app.drawn", "app.state", "app.choices", "app.recalling"},
    {"app.exports.recall", "app.exports.probed", "app.exports.routes", "app.comparisons", "app.held", "app.library"},
    {"app.routes", "app.serving"},
    {"app.views", "app.figures_command"},
    {"app.main", "app.__main__"},
]
WORKER = {"app.jobs.worker", "app.jobs.work", "app.jobs.models"}  # the process that runs models
POOL = "app.jobs.pool"  # the same on a cluster
CLUSTER = {POOL, "app.jobs.driver", "app.jobs.handing"}  # processes that hold Ray
UNSAFE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch.serialization"}


def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text("utf-8"))


def imports(module: str, *, at_once: bool = False) -> set[str]:
    """Every module that `module` imports, in full. at_once: only what its own import runs, not inside functions."""
    found: set[str] = set()
    for node in _running(tree_of(module)) if at_once else ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in SOURCES else base for a in node.names}
    return found


def _running(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _running(child)


def _base(module: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def level(module: str, levels: list[set[str]]) -> int:
    while module:
        for rank, names in enumerate(levels):
            if module in names:
                return rank
        module = module.rpartition(".")[0]
    return -1


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def modules(prefix: str) -> list[str]:
    return sorted(name for name in SOURCES if name == prefix or name.startswith(prefix + "."))


def reached(module: str, *, packages: bool = True) -> set[str]:
    """What importing `module` loads in the end. packages: also by the __init__ of the folders on the way."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in SOURCES:
            waiting += imports(name, at_once=True)
            waiting += [name.rpartition(".")[0]] if packages and "." in name else []
    return seen


def test_the_sources_are_found() -> None:
    assert {"titans_core.tracing", "titans_core.memory.scan", "app.main", *WORKER} <= set(SOURCES)
    assert "torch" in imports("titans_core.memory.scan")
    assert "titans_core.memory.types" in imports("titans_core.memory.scan")


@pytest.mark.parametrize("module", modules("titans_core"))
def test_the_core_knows_nothing_of_the_app(module) -> None:
    assert not top(imports(module)) & {"app", "streamlit", "plotly", "altair", "pandas", "tests"}


@pytest.mark.parametrize("module", [m for m in modules("titans_core") if m != "titans_core"])
def test_the_core_imports_downwards_only(module) -> None:
    own = level(module, CORE_LEVELS)
    assert own >= 0, "add this module to CORE_LEVELS, where it belongs"
    for name in imports(module):
        if name.startswith("titans_core."):
            other = level(name, CORE_LEVELS)
            same_part = name.split(".")[1] == module.split(".")[1]
            assert other < own or same_part, f"{module} imports {name}, which stands above or beside it"


def test_the_memory_knows_only_itself_and_errors() -> None:
    for module in modules("titans_core.memory"):
        known = {n for n in imports(module) if n.startswith("titans_core")}
        assert all(n.startswith(("titans_core.memory", "titans_core.errors")) for n in known), module


def test_the_oracle_does_not_know_what_it_judges() -> None:
    judged = {f"titans_core.memory.{name}" for name in ("scan", "decay", "signals")}
    assert not reached("titans_core.memory.equations", packages=False) & judged


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_modules_do_not_import_each_other_in_circles(module) -> None:
    for name in imports(module, at_once=True) & SOURCES.keys():
        assert module not in reached(name, packages=False), f"{module} imports {name}, which leads back"


@pytest.mark.parametrize("module", modules("app"))
def test_the_app_imports_downwards_only(module) -> None:
    own = level(module, APP_LEVELS)
    for name in imports(module):
        if name.startswith("app"):
            same_part = name.split(".")[1:2] == module.split(".")[1:2]
            assert level(name, APP_LEVELS) < own or same_part, f"{module} imports {name}"


@pytest.mark.parametrize("module", modules("app.figures"))
def test_figures_are_drawn_without_a_server_and_without_models(module) -> None:
    loaded = top(reached(module))
    assert not loaded & {"streamlit", "torch"}
    core = {name for name in imports(module) if name.startswith("titans_core")}
    known = {
        "titans_core.signals",
        "titans_core.pyramid",
        "titans_core.lineage",
        "titans_core.moments",
        "titans_core.memory_file",
        "titans_core.evaluation.cells",
        "titans_core.probes.spots",
        "titans_core.errors",
        "titans_core.storage",
    }
    assert core <= known, "signals, their bins, what was found of a token, cells of a grid, how reading fails"


@pytest.mark.parametrize("module", [m for m in modules("app") if m not in CLUSTER])
def test_only_processes_of_their_own_hold_ray(module) -> None:
    assert "ray" not in top(imports(module))
    assert not imports(module) & CLUSTER


@pytest.mark.parametrize("module", [m for m in modules("app") if m not in {*WORKER, POOL}])
def test_the_page_process_never_holds_torch(module) -> None:
    assert not top(imports(module)) & {"torch", "safetensors"}
    assert "torch" not in top(reached(module)), "by way of the core"
    assert not WORKER & imports(module)


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_nothing_read_from_a_file_can_run_code(module) -> None:
    names = imports(module)
    assert not {name for name in names if name in UNSAFE or name.partition(".")[0] in UNSAFE}
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"torch.load", "eval", "exec", "__import__", "compile"}, f"line {node.lineno}"
            assert "allow_pickle" not in {k.arg for k in node.keywords}, f"line {node.lineno}"
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module == "torch" and {a.name for a in node.names} & {"load", "save", "serialization"})


def modules_after(code: str) -> set[str]:
    code += "; import sys; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(result.stdout.split())


def test_importing_the_core_loads_nothing_heavy() -> None:
    loaded = modules_after("import titans_core as tc; assert isinstance(tc.checkpoints(), list)")
    assert not loaded & {"torch", "numpy", "xarray", "zarr", "tokenizers", "safetensors", "streamlit"}


def test_what_the_page_uses_of_the_core_loads_no_torch() -> None:
    # what app.probing imports inside of functions, the worker runs
    own = {m: imports(m, at_once=m.startswith("app.probing")) for m in modules("app") if m not in {*WORKER, POOL}}
    used = {name for names in own.values() for name in names if name.startswith("titans_core.")}
    loaded = modules_after("import titans_core as tc; tc.open_trace; import " + ", ".join(sorted(used)))
    assert "torch" not in loaded
    assert "numpy" in loaded


@pytest.mark.parametrize("module", ["titans_core.tracing", "titans_core.growth"])
def test_a_run_without_a_store_needs_no_zarr(module) -> None:
    assert "zarr" not in top(reached(module))
