"""Which cells there are, what they hold, and that an evaluation can be stopped, gone on with and repeated in part."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from titans_core.checkpoint import save
from titans_core.errors import ConfigError
from titans_core.evaluation import plan, runner
from titans_core.evaluation.cells import CONTROLS, Cell, Job, Key, length_name, pack, unpack, wilson
from titans_core.evaluation.command import eval_command
from titans_core.evaluation.lambada import read_passages, run_lambada
from titans_core.evaluation.needles import episode, run_cell
from titans_core.evaluation.plan import BABI, full_plan, quick_plan
from titans_core.evaluation.report import Report, agreement, header_of
from titans_core.evaluation.runner import Materials, run_job
from titans_core.evaluation.tables import markdown
from titans_core.evaluation.validation import evaluate
from titans_core.settings import Settings
from titans_core.tasks import Role

ROOMS = ("kitchen", "garden", "office")
PASSAGES = [
    "The cat sat by the door. Then came the old dog and bit the cat",
    'He said: "No."\n\nShe said: "Yes',
    "One two\nthree",
]
PROSE = " ".join(f"The {a} stood by the {b}, and nobody knew why." for a in ROOMS for b in ("lamp", "tree", "road"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A corpus folder and a folder of evaluation data."""
    corpus, data = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("eval")
    (corpus / "validation.jsonl").write_text(json.dumps({"text": PROSE * 3}) + "\n", "utf-8")
    (data / "babi" / "en").mkdir(parents=True)
    for number in range(1, 6):
        lines = []
        for story in range(12):
            moves = [f"{i} Mary went to the {ROOMS[(i + story) % 3]}." for i in range(1, 3 if story else 60)]
            place = ROOMS[(len(moves) + story) % 3]
            lines += [*moves, f"{len(moves) + 1} Where is Mary? \t{place}\t{len(moves)}"]
        (data / "babi" / "en" / f"qa{number}_made-here_test.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (data / "lambada").mkdir()
    lines = [json.dumps({"text": text}) for text in PASSAGES]
    (data / "lambada" / "lambada_test.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return corpus, data


@pytest.fixture
def materials(tokenizer, folders) -> Materials:
    return Materials(tokenizer, *folders)


@pytest.fixture
def short(monkeypatch) -> None:
    """Tables of texts that tiny models read in moments."""
    monkeypatch.setattr(plan, "SHORT", (200, 256))
    monkeypatch.setattr(plan, "_QUICK", {Key("passkey", 200, "live"): 11, Key("passkey", 256, "absent"): 5})


def cell_of(right: list[bool], **changes: object) -> Cell:
    low, high = wilson(sum(right), len(right))
    values = {
        **{"task": "passkey", "length": 2048, "control": "live", "n": len(right), "right": sum(right)},
        **{"rate": sum(right) / len(right), "low": low, "high": high, "bits": 1.5, "token_rate": 0.5},
        **{"outcomes": pack(right), "sample": "ab", "seconds": 1.0, "device": "cpu"},
    }
    return Cell(**{**values, **changes})


@pytest.mark.parametrize(  # method 3 in table I of Newcombe, Statistics in Medicine 17 (1998)
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(right, n, low, high) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=5e-5)
    mirrored = wilson(n - right, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("right", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_no_interval_without_a_rate(right, n) -> None:
    with pytest.raises(ConfigError, match="no rate"):
        wilson(right, n)


def test_outcomes_are_one_bit_a_text_from_the_first() -> None:
    right = [True, False, False, True, False, False, False, False, True]
    assert pack(right) == "9080"
    assert unpack("9080", 9).tolist() == right
    with pytest.raises(ValueError, match="1 bytes"):
        unpack("90", 9)


def test_the_whole_table_is_the_one_of_the_plan(tiny_config) -> None:
    jobs = {job.key: job.n for job in full_plan(tiny_config("mac"))}
    for task in ("passkey", "number", "word"):
        for control in CONTROLS:
            assert [jobs[Key(task, n, control)] for n in (2048, 4096, 8192, 16_384)] == [200] * 4
            assert (Key(task, 65_536, control) in jobs) == (control == "live")
        assert jobs[Key(task, 65_536, "live")] == 50
    assert [jobs[Key("passkey", n, "live")] for n in (262_144, 1_048_576)] == [20, 20]
    assert {key.task for key in jobs if key.length and key.length > 65_536} == {"passkey"}
    for task in BABI:
        assert [jobs[Key(task, n, "live")] for n in (0, 1024, 4096, 16_384, 65_536)] == [100, 100, 100, 100, 50]
    assert {key.control for key in jobs if key.task == "validation"} == {"live", "zeroed", "frozen"}
    for variant in ("lmm", "transformer", "lightning"):
        others = [job.key for job in full_plan(tiny_config(variant))]
        assert max(key.length or 0 for key in others) == 16_384
        memory = {"zeroed", "frozen"} if variant == "lmm" else set()
        assert {key.control for key in others} == {"live", "absent"} | memory


def test_the_quick_plan_is_part_of_the_whole(tiny_config) -> None:
    whole = {job.key: job.n for job in full_plan(tiny_config("mal"))}
    quick = quick_plan(tiny_config("mal"))
    assert {"passkey", "number", "word"} <= {job.key.task for job in quick}
    for job in quick:
        assert whole[job.key] is None or job.n < whole[job.key]
    assert sum(job.n * (job.key.length or 0) for job in quick) < 600_000, "five minutes at 2,000 tokens a second"


def test_plans_can_be_narrowed(tiny_config) -> None:
    config = tiny_config("mag")
    assert {j.key.task for j in full_plan(config, ["babi", "copy"])} == {*BABI, "copy"}
    assert {j.key.control for j in full_plan(config, ["word"], ["frozen", "live"])} == {"frozen", "live"}
    assert max(j.key.length or 0 for j in full_plan(config, max_length=5000)) == 4096
    for tasks, controls, named in ((["pass"], [], "pass"), ([], ["dead"], "dead")):
        with pytest.raises(ConfigError, match=f"unknown .*: {named}; choose of"):
            full_plan(config, tasks, controls)


@pytest.mark.parametrize("task", ["passkey", "number", "word", "babi1"])
def test_texts_depend_on_seed_task_length_and_number_alone(task, materials) -> None:
    for i, length in ((0, 256), (7, 256), (3, 400)):
        key = Key(task, length, "live")
        text = episode(materials.source, 5, key, i)
        assert len(text) == length
        assert text.role[-1] == Role.ANSWER
        for control in ("zeroed", "frozen"):
            np.testing.assert_array_equal(episode(materials.source, 5, Key(task, length, control), i).ids, text.ids)
        absent = episode(materials.source, 5, Key(task, length, "absent"), i)
        assert len(absent) == length
        assert absent.answers == text.answers
        asked = int((text.role >= Role.QUESTION).sum())
        np.testing.assert_array_equal(absent.ids[-asked:], text.ids[-asked:])
        assert not (absent.role == Role.FACT).any()
        if task == "passkey":
            assert text.answers != episode(materials.source, 5, Key("number", length, "live"), i).answers
        for seed, other in ((6, i), (5, i + 1)):
            assert not np.array_equal(episode(materials.source, seed, key, other).ids, text.ids)


def test_every_length_has_its_stories(materials) -> None:
    """One of the twelve stories has 59 sentences: it comes where it fits, and all controls ask the same."""
    lengths = [len(episode(materials.source, 0, Key("babi2", 0, "live"), i)) for i in range(60)]
    assert max(lengths) > 256 > min(lengths)
    assert {len(episode(materials.source, 0, Key("babi2", 256, "live"), i)) for i in range(60)} == {256}
    for i in range(60):
        live, absent = (episode(materials.source, 0, Key("babi2", 256, control), i) for control in ("live", "absent"))
        asked = int((live.role >= Role.QUESTION).sum())
        np.testing.assert_array_equal(absent.ids[-asked:], live.ids[-asked:])
    with pytest.raises(ConfigError, match=r"needs .* tokens"):
        episode(materials.source, 0, Key("babi2", 5, "live"), 0)


def test_a_bar_without_understanding_is_given_for_babi(materials, tiny_model) -> None:
    cell = run_cell(tiny_model("transformer"), materials.source, 0, Key("babi1", 0, "live"), 20)
    answers = [episode(materials.source, 0, cell.key, i).answers[0] for i in range(20)]
    assert cell.majority == max(answers.count(room) for room in ROOMS) / 20
    assert cell.random == pytest.approx(1 / 3)


def test_the_first_texts_of_a_cell_come_out_the_same(materials, tiny_model) -> None:
    model = tiny_model("mac")
    many, few = (run_cell(model, materials.source, 0, Key("word", 256, "live"), n) for n in (6, 3))
    assert many.sample == few.sample
    assert many.right_each[:3].tolist() == few.right_each.tolist()
    again = run_cell(model, materials.source, 0, Key("word", 256, "live"), 6)
    assert {**again.to_dict(), "seconds": 0} == {**many.to_dict(), "seconds": 0}


def test_lambada_asks_for_the_last_word(tokenizer, tiny_model, folders) -> None:
    passages = read_passages(folders[1] / "lambada" / "lambada_test.jsonl", tokenizer)
    for passage, text, word in zip(passages, PASSAGES, (" cat", ' "Yes', "three"), strict=True):
        assert tokenizer.decode(passage.ids) == text
        assert tokenizer.decode(passage.ids[passage.role == Role.ANSWER]) == word
    model = tiny_model("mag")
    cell = run_lambada(model, passages, "live")
    bits = 0.0
    for passage in passages:
        ids = torch.tensor(passage.ids[None].astype(np.int64))
        p = model(ids[:, :-1]).logits[0].double().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        bits -= p[torch.from_numpy(passage.role[1:] == Role.ANSWER)].sum().item() / np.log(2) / len(passages)
    assert cell.bits == pytest.approx(bits, rel=1e-4)
    assert cell.perplexity == pytest.approx(2**bits, rel=1e-2)
    assert len(read_passages(folders[1] / "lambada" / "lambada_test.jsonl", tokenizer, 1)) == 1


@pytest.mark.parametrize(("content", "message"), [("", "no passage"), ('{"text": "alone"}', "no last word")])
def test_passages_without_a_last_word_are_refused(content, message, tokenizer, tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_passages(tmp_path / "a.jsonl", tokenizer)


def test_a_report_comes_back_as_it_was_saved(tmp_path, tiny_model) -> None:
    header = header_of(tiny_model("mag"), 3, quick=False)
    report = Report(header, validation={"live": {"bits_per_byte": 1.5, "device": "cpu"}})
    for cell in (
        cell_of([True, False, True], kinds={"invented": 1}),
        cell_of([False], length=None, task="lambada", perplexity=7.5),
        cell_of([False] * 9, control="absent", invented=0),
    ):
        report.cells[cell.key] = cell
    report.save(tmp_path / "deep" / "a.json")
    back = Report.open(tmp_path / "deep" / "a.json", header)
    assert back.cells == report.cells
    assert back.validation == report.validation
    assert json.loads((tmp_path / "deep" / "a.json").read_text())["devices"] == ["cpu"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.json"]


@pytest.mark.parametrize("changes", [{"seed": 4}, {"weights_sha256": "f" * 64}, {"quick": True}])
def test_an_evaluation_of_something_else_is_not_overwritten(changes, tmp_path, tiny_model) -> None:
    header = header_of(tiny_model("mag"), 3, quick=False)
    Report(header).save(tmp_path / "a.json")
    with pytest.raises(ConfigError, match=f"with {next(iter(changes))} .* another --out"):
        Report.open(tmp_path / "a.json", {**header, **changes})


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: "[]",
        lambda d: json.dumps(d)[:-9],
        lambda d: json.dumps({**d, "format": 99}),
        lambda d: json.dumps({**d, "cells": [{**d["cells"][0], "right": 2}]}),
        lambda d: json.dumps({**d, "cells": [{**d["cells"][0], "outcomes": "zz"}]}),
        lambda d: json.dumps({**d, "cells": [{"task": "passkey"}]}),
        lambda d: json.dumps({**d, "validation": 5}),
    ],
)
def test_a_damaged_file_is_refused(damage, tmp_path, tiny_model) -> None:
    header = header_of(tiny_model("mag"), 3, quick=False)
    cell = cell_of([True, False, False])
    Report(header, {cell.key: cell}).save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(damage(document))
    with pytest.raises(ConfigError, match=r"a\.json"):
        Report.open(tmp_path / "a.json", header)


def test_agreement_is_told_text_by_text(tiny_model) -> None:
    header = header_of(tiny_model("mag"), 0, quick=False)
    long = cell_of([True, False, True, True, False])
    record = Report(header, {long.key: long})
    assert agreement(cell_of([True, False, True]), header, record) == "as recorded, 3 of 3 texts"
    assert "2 of 3 texts: number 1, 2" in agreement(cell_of([True, True, False]), header, record)
    assert agreement(cell_of([True], task="word"), header, record) == "not recorded"
    assert agreement(cell_of([True]), header, None) == "not recorded"
    assert agreement(cell_of([True], sample="cd"), header, record) == "recorded on other texts"
    assert agreement(cell_of([True]), {**header, "seed": 1}, record) == "recorded with another seed"
    assert agreement(cell_of([True]), {**header, "weights_sha256": "9"}, record) == "recorded for other weights"


def test_filled_cells_are_not_run_again(materials, tiny_model, monkeypatch) -> None:
    model = tiny_model("transformer")
    report = Report(header_of(model, 0, quick=False))
    jobs = [Job(Key("passkey", 200, "live"), 3), Job(Key("lambada", None, "live"), None)]
    jobs.append(Job(Key("validation", None, "live"), None))
    first = [run_job(model, materials, job, report, lambda n: None) for job in jobs]
    assert [cell.n for cell in first if cell] == [3, len(PASSAGES)]
    part = Report(report.header)
    assert run_job(model, materials, Job(jobs[1].key, 1), part, lambda n: None).n == 1
    documents = runner.validation_documents(materials.validation_files, model.tokenizer)
    score = evaluate(model, documents, Settings())
    assert report.validation["live"]["bits_per_byte"] == score.bits_per_byte

    def never(*args, **kwargs):
        raise AssertionError("run again")

    for name in ("run_cell", "run_lambada", "evaluate"):
        monkeypatch.setattr(runner, name, never)
    assert [run_job(model, materials, job, report, lambda n: None) for job in jobs] == first
    with pytest.raises(AssertionError, match="run again"):  # more texts than there are
        run_job(model, materials, Job(jobs[0].key, 4), report, lambda n: None)
    report.cells[jobs[0].key] = cell_of([True] * 3, length=200)  # filled from other texts
    with pytest.raises(AssertionError, match="run again"):
        run_job(model, materials, jobs[0], report, lambda n: None)


def test_the_table_shows_every_cell(tiny_model) -> None:
    report = Report(header_of(tiny_model("mag"), 0, quick=False))
    for cell in (
        cell_of([True] * 19 + [False]),
        cell_of([False] * 20, control="zeroed", length=1 << 20),
        cell_of([False] * 20, control="absent", invented=3),
        cell_of([True, False], task="babi1", length=0, majority=0.25, random=0.125),
        cell_of([True, False], task="lambada", length=None, perplexity=1234.5),
    ):
        report.cells[cell.key] = cell
    score = {"bits_per_byte": 1.2345, "bits_per_token": 4.0, "late_bits_per_token": 3.9, "device": "cpu"}
    report.validation["live"] = score
    lines = markdown(report).splitlines()
    assert "| passkey | live | 95.0 [76.4, 99.1] n=20 |  |" in lines
    assert "| passkey | zeroed |  | 0.0 [0.0, 16.1] n=20 |" in lines
    assert "| task | memory | 2K | 1M |" in lines
    assert "| passkey | 2K | 20 | 3 | 0 |" in lines
    assert "| babi1 | 0K | 25.0 | 12.5 |" in lines
    assert "| live | 50.0 [9.5, 90.5] n=2 | 1.50 | 1,234 |" in lines
    assert "| live | 1.2345 | 4.0000 | 3.9000 |" in lines
    assert [length_name(n) for n in (0, 200, 1024, 65_536, 1 << 20)] == ["0K", "200", "1K", "64K", "1M"]


@pytest.fixture
def checkpoint(tmp_path, tiny_model) -> Path:
    save(tiny_model("transformer"), tmp_path / "small", {})
    return tmp_path / "small"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(eval_command, [str(a) for a in (*arguments, "--device", "cpu")])


@pytest.mark.usefixtures("short")
def test_quick_repeats_what_is_recorded(checkpoint, tmp_path) -> None:
    record, out = checkpoint / "evaluation.json", tmp_path / "quick.json"
    whole = run(checkpoint, "--out", record, "--tasks", "passkey", "--max-length", 256)
    assert whole.exit_code == 0, whole.output
    cells = json.loads(record.read_text())["cells"]
    assert {(c["length"], c["control"], c["n"]) for c in cells} == {
        (length, control, 200) for length in (200, 256) for control in ("live", "absent")
    }
    quick = run(checkpoint, "--out", out, "--quick")
    assert quick.exit_code == 0, quick.output
    assert "passkey 200 live: 0.0 [0.0, 25.9] n=11" in quick.output
    assert "as recorded, 11 of 11 texts" in quick.output
    assert "as recorded, 5 of 5 texts" in quick.output

    flipped = [{**c, "outcomes": "20" + "00" * 24, "right": 1} for c in cells]
    record.write_text(json.dumps({**json.loads(record.read_text()), "cells": flipped}))
    out.unlink()
    assert "DIFFERS from the record in 1 of 11 texts: number 2" in run(checkpoint, "--out", out, "--quick").output


@pytest.mark.usefixtures("short")
def test_what_cannot_be_measured_is_named(checkpoint, tmp_path) -> None:
    result = run(checkpoint, "--out", tmp_path / "a.json", "--max-length", 200, "--controls", "absent")
    assert result.exit_code == 0, result.output
    assert "left out without --data: number, word\n" in result.output
    for arguments, message in (
        (["--tasks", "word,passkey"], "word cannot be measured without --data"),
        (["--tasks", "passkey", "--max-length", "9"], "nothing is left to measure"),
        (["--tasks", "nothing"], "unknown tasks: nothing; choose of"),
    ):
        refused = run(checkpoint, "--out", tmp_path / "b.json", *arguments)
        assert isinstance(refused.exception, ConfigError)
        with pytest.raises(ConfigError, match=message):
            raise refused.exception
        assert not (tmp_path / "b.json").exists()


def test_folders_without_the_files_are_refused(tokenizer, tmp_path, tiny_model) -> None:
    empty = Materials(tokenizer, tmp_path, tmp_path)
    report = Report(header_of(tiny_model("mag"), 0, quick=False))
    for task, length, message in (
        ("word", 256, "holds no validation.jsonl"),
        ("validation", None, "holds no validation.jsonl"),
        ("lambada", None, "lambada_test.jsonl"),
    ):
        with pytest.raises(ConfigError, match=message):
            run_job(tiny_model("mag"), empty, Job(Key(task, length, "live"), 2), report, lambda n: None)
    no_babi = Materials(tokenizer, None, tmp_path)
    with pytest.raises(ConfigError, match="babi"):
        run_job(tiny_model("mag"), no_babi, Job(Key("babi1", 0, "live"), 2), report, lambda n: None)
