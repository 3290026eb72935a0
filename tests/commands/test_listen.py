"""``audiosr-fx listen`` as a user meets it: pages, summaries, and one line for what goes wrong."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from listening import make_systems, mushra_results, noise, save, save_results, vote_results
from typer.testing import CliRunner, Result

from audiosr_fx.cli import app

Run = Callable[..., Result]
GOOD = {"reference": [100, 95], "lowpass:3500": [20, 30]}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: CliRunner().invoke(app, ["listen", *map(str, args)])


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    """Two who hear well, one who does not."""
    values = [
        mushra_results("P1", {**GOOD, "mini": [60, 80]}),
        mushra_results("=P2", {**GOOD, "mini": [70, 70]}),
        mushra_results("P3", {**GOOD, "reference": [10, 95], "mini": [0, 0]}),
    ]
    return [save_results(tmp_path / f"{i}.json", value) for i, value in enumerate(values)]


def test_a_page_is_written_and_described(run: Run, tmp_path: Path) -> None:
    make_systems(tmp_path / "systems")
    done = run("systems", "-o", "test.html")
    assert done.exit_code == 0, done.output
    size = (tmp_path / "test.html").stat().st_size
    assert done.stdout.startswith(f"test.html: {size / 1e6:.1f} MB, mushra, 2 trials, 2 items at -23.0 LUFS")
    record = json.loads(run("systems", "-o", "again.html", "--json", "--mode", "ab", "--seed", "3").stdout)
    assert record["size_bytes"] == (tmp_path / "again.html").stat().st_size
    assert record["trials"] == 2


def test_items_of_other_loudness_are_described_as_such(run: Run, tmp_path: Path) -> None:
    make_systems(tmp_path / "systems", items=("one",))
    for system in ("reference", "plain", "fancy"):
        clicks = noise(gain=0.2)
        clicks[:, ::4000] = 0.9
        save(tmp_path / "systems" / system / "two.flac", clicks)
    done = run("systems", "-o", "test.html")
    assert done.exit_code == 0, done.output
    [quieter] = re.findall(r"two: matched at (-\d+\.\d) LUFS", done.stderr)
    assert f"2 items at {quieter} to -23.0 LUFS" in done.stdout


def test_nothing_is_overwritten_without_being_asked(run: Run, tmp_path: Path) -> None:
    make_systems(tmp_path / "systems")
    (tmp_path / "test.html").write_text("mine")
    done = run("systems", "-o", "test.html")
    assert (done.exit_code, done.stderr.count("\n")) == (5, 1)
    assert (tmp_path / "test.html").read_text() == "mine"
    assert run("systems", "-o", "test.html", "--overwrite").exit_code == 0
    assert (tmp_path / "test.html").stat().st_size > 100_000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("systems",), 2, "output is not given; expected a name in .html, as in -o test.html"),
        (("systems", "-o", "test.wav"), 2, "output is test.wav"),
        (("systems", "systems", "-o", "a.html"), 2, "folders: 2; expected one"),
        (("nothing", "-o", "a.html"), 3, "nothing: no such folder"),
        (("systems", "-o", "a.html", "--mode", "best"), 2, "mode is best; expected mushra, ab or abx"),
        (("systems", "-o", "a.html", "--format", "mp3"), 2, "format is mp3; expected flac or wav"),
        (("systems", "-o", "a.html", "--anchor", "3500"), 2, "anchor is 3500; expected lowpass:HZ"),
        (("systems", "-o", "a.html", "--anchor", "lowpass:99999"), 2, "expected 200 to 16000 Hz"),
        (("systems", "-o", "a.html", "--seconds", "0.1"), 2, "seconds is 0.1; expected 0.5 or more"),
        (("systems", "-o", "a.html", "--reference", "nobody"), 2, "reference is 'nobody'"),
        (("systems", "-o", "none/a.html"), 5, "none/a.html: there is no folder none"),
        (("systems", "-o", "a.html", "--csv", "a.csv"), 2, "go with --summary; add it"),
        (("systems", "-o", "a.html", "--summary"), 2, "with --summary expected none"),
    ],
)
def test_wrong_usage_is_one_line(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    make_systems(tmp_path / "systems", items=("one",))
    done = run(*arguments)
    assert done.exit_code == code
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert list(tmp_path.glob("*.html")) == []


def test_files_of_other_lengths_are_one_line(run: Run, tmp_path: Path) -> None:
    make_systems(tmp_path / "systems", items=("one",))
    make_systems(tmp_path / "systems", systems=("plain",), items=("one",), seconds=0.7)
    done = run("systems", "-o", "a.html")
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1
    assert "(4800 samples apart at 48 kHz)" in done.stderr
    assert run("systems", "-o", "a.html", "--seconds", "0.55").exit_code == 0


def test_anchors_can_be_chosen(run: Run, tmp_path: Path) -> None:
    make_systems(tmp_path / "systems", items=("one",))
    both = run("systems", "-o", "a.html", "--anchor", "lowpass:3500", "--anchor", "lowpass:7000")
    assert "lowpass:3500 (anchor), lowpass:7000 (anchor)" in both.stdout
    assert "anchor" not in run("systems", "-o", "b.html", "--anchor", "none").stdout


def test_the_summary_leaves_out_who_fails_and_says_so(run: Run, results: list[Path]) -> None:
    done = run("--summary", *results)
    assert done.exit_code == 0, done.output
    assert "participants: 3 (2 counted)" in done.stdout
    assert "fails post-screening: P3 (hidden reference under 90 in 50 % of the trials)" in done.stdout
    row = next(line for line in done.stdout.splitlines() if line.startswith("mini"))
    assert row.split()[1] == "70.0"
    everyone = run("--summary", "--keep-all", *results)
    assert next(line for line in everyone.stdout.splitlines() if line.startswith("mini")).split()[1] == "46.7"


def test_a_folder_stands_for_the_results_in_it(run: Run, results: list[Path], tmp_path: Path) -> None:
    done = run("--summary", tmp_path)
    assert done.exit_code == 0, done.output
    assert done.stdout == run("--summary", *results).stdout
    (tmp_path / "empty").mkdir()
    assert "empty: cannot be read (" in run("--summary", tmp_path, tmp_path / "empty").stderr


@pytest.mark.parametrize(
    ("place", "message"),
    [("none/a", "none/a{}: there is no folder none"), ("folder", "folder{}: is a folder; expected the name")],
)
def test_where_nothing_can_be_written_is_told_before_the_work(
    run: Run, results: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    make_systems(tmp_path / "systems")
    for ending in (".html", ".csv"):
        (tmp_path / f"folder{ending}").mkdir()
    monkeypatch.setattr("audiosr_fx.quality.listen.build_test", lambda *_: pytest.fail("worked"))
    monkeypatch.setattr("audiosr_fx.quality.listen_summary.summarise", lambda *_: pytest.fail("worked"))
    for ending, command in (
        (".html", ("systems", "-o", f"{place}.html")),
        (".csv", ("--summary", *results, "--csv", f"{place}.csv")),
        (".csv", ("--summary", *results, "--answers", f"{place}.csv")),
    ):
        done = run(*command, "--overwrite")
        assert done.exit_code == 5
        assert message.format(ending) in done.stderr


def test_the_summary_as_records(run: Run, results: list[Path]) -> None:
    records = [json.loads(line) for line in run("--summary", "--json", *results).stdout.splitlines()]
    assert records[0]["record"] == "test"
    mini = next(record for record in records if record.get("system") == "mini")
    assert mini["mean"] == 70.0
    assert mini["mean_t_low"] == pytest.approx(70.0 - 3.182446 * np_std([60, 80, 70, 70]) / 2, abs=1e-4)
    assert [record["is_excluded"] for record in records if record["record"] == "participant"] == [
        False,
        False,
        True,
    ]


def np_std(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def test_tables_hold_the_summary_and_every_answer(run: Run, tmp_path: Path, results: list[Path]) -> None:
    done = run("--summary", "--csv", "summary.csv", "--answers", "answers.csv", *results)
    assert done.exit_code == 0, done.output
    summary = list(csv.DictReader((tmp_path / "summary.csv").read_text().splitlines()))
    assert [row["system"] for row in summary] == ["reference", "mini", "lowpass:3500"]
    assert float(summary[1]["mean"]) == 70.0
    answers = list(csv.DictReader((tmp_path / "answers.csv").read_text().splitlines()))
    assert len(answers) == 3 * 2 * 3
    assert {row["participant"] for row in answers if row["is_excluded"] == "True"} == {"P3"}
    assert run("--summary", "--csv", "summary.csv", *results).exit_code == 5


def test_systems_that_come_late_are_put_in_step_and_named(run: Run, tmp_path: Path) -> None:
    sound = noise(2.0)
    for system, lag in (("reference", 0), ("late", 480), ("early", -240)):
        save(tmp_path / "odd" / system / "one.wav", np.roll(sound, lag, axis=1))
    done = run("odd", "-o", "odd.html", "--json")
    assert done.exit_code == 0, done.output
    assert done.stderr == (
        "one: put in step: early 240 samples early, late 480 samples late;"
        " all are cut to what they have in common\n"
    )
    assert json.loads(done.stdout)["moved_samples"] == {"one": {"early": -240, "late": 480}}


def test_a_table_never_takes_the_place_of_results_or_of_the_other_table(
    run: Run, results: list[Path]
) -> None:
    before = results[0].read_bytes()
    done = run("--summary", "--overwrite", "--csv", *results)  # as a shell unfolds --csv results/*.json
    assert done.exit_code == 5
    assert "holds a listener's results, which are never replaced" in done.stderr
    assert results[0].read_bytes() == before
    both = run("--summary", "--overwrite", "--csv", "one.csv", "--answers", "one.csv", *results)
    assert both.exit_code == 2
    assert "csv and answers are both one.csv" in both.stderr


def test_malformed_results_are_skipped_with_a_line_each(
    run: Run, tmp_path: Path, results: list[Path]
) -> None:
    (tmp_path / "broken.json").write_text("{")
    other = save_results(
        tmp_path / "other.json", mushra_results("P9", {**GOOD, "mini": [0, 0]}, page="f" * 64)
    )
    done = run("--summary", *results, "broken.json", "none.json", other)
    assert done.exit_code == 1
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "broken.json",
        "none.json",
        str(other),
    ]
    assert "participants: 3" in done.stdout
    nothing = run("--summary", "broken.json")
    assert nothing.exit_code == 1
    assert nothing.stderr.splitlines()[-1].startswith("error: no results to evaluate")


def test_votes_are_summarised(run: Run, tmp_path: Path) -> None:
    votes = save_results(tmp_path / "v.json", vote_results("P1", ["a"] * 8 + ["b"] * 2 + ["none"]))
    row = run("--summary", votes).stdout.splitlines()[-1]
    assert " ".join(row.split()) == "plain over fancy 8 of 10 1 80.0 % 49.0 to 94.3 44.4 to 97.5 0.1094"
    answers = save_results(tmp_path / "x.json", vote_results("P1", ["a"] * 9 + ["b"], mode="abx"))
    assert "9 of 10" in run("--summary", answers).stdout


def test_control_characters_in_names_do_not_reach_the_terminal(run: Run, tmp_path: Path) -> None:
    value = mushra_results("\x1b[2J", {"reference": [0, 0], "a\nb": [1, 1]})
    done = run("--summary", "--keep-all", save_results(tmp_path / "r.json", value))
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "a\\nb" in done.stdout


def test_a_summary_of_nobody_is_no_success_and_no_table(run: Run, tmp_path: Path) -> None:
    value = mushra_results("P1", {"reference": [0, 0], "mini": [20, 90]})
    saved = save_results(tmp_path / "r.json", value)
    done = run("--summary", "--csv", tmp_path / "summary.csv", saved)
    assert done.exit_code == 1
    assert "nobody is left after post-screening" in done.stdout
    assert "summary.csv is not written: no listener is left to count" in done.stderr
    assert not (tmp_path / "summary.csv").exists()


def test_intervals_of_few_ratings_stay_on_the_scale(run: Run, tmp_path: Path) -> None:
    value = mushra_results("P1", {"reference": [100, 100], "mini": [10, 100]})
    done = run("--summary", "--keep-all", save_results(tmp_path / "r.json", value))
    row = next(line for line in done.stdout.splitlines() if line.startswith("mini"))
    assert " 0.0 to 100.0 " in row


def test_who_did_not_finish_is_named(run: Run, tmp_path: Path) -> None:
    whole = save_results(tmp_path / "1.json", mushra_results("P1", GOOD))
    part = mushra_results("P2", GOOD, complete=False, finished=None)
    part["trials"] = part["trials"][:1]
    paths = (whole, save_results(tmp_path / "2.json", part))
    lines = run("--summary", "--answers", "answers.csv", *paths).stdout.splitlines()
    assert [line for line in lines if "finished" in line] == ["not finished: P2 (trials answered: 1)"]
    answers = list(csv.DictReader((tmp_path / "answers.csv").read_text().splitlines()))
    assert {row["participant"] for row in answers if row["is_complete"] == "False"} == {"P2"}
    record = json.loads(run("--summary", "--json", *paths).stdout.splitlines()[0])
    assert record["unfinished"] == ["P2"]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\uff1d1"])
def test_names_are_no_formulas_in_tables(run: Run, tmp_path: Path, name: str) -> None:
    votes = save_results(tmp_path / "v.json", vote_results(name, ["a"], a=name))
    run("--summary", "--answers", "answers.csv", "--csv", "summary.csv", votes)
    answers, summary = ((tmp_path / f"{table}.csv").read_text("utf-8") for table in ("answers", "summary"))
    [answer] = csv.DictReader(answers.splitlines())
    assert answer["participant"] == answer["a"] == answer["chosen"] == f"'{name}"
    assert answer["b"] == "fancy"
    [pair] = csv.DictReader(summary.splitlines())
    assert pair["a"] == f"'{name}"


def test_sessions_under_one_name_are_said_to_count_as_one_listener(run: Run, tmp_path: Path) -> None:
    values = {**GOOD, "mini": [60, 80]}
    first = save_results(tmp_path / "a.json", mushra_results("1", values))
    second = save_results(
        tmp_path / "b.json", mushra_results("1", values, started="2025-01-02T00:00:00.000Z")
    )
    done = run("--summary", first, second)
    assert "participants: 1," in done.stdout
    assert "counted as one listener: 1 (sessions: 2)" in done.stdout
    assert json.loads(run("--summary", "--json", first, second).stdout.splitlines()[0])["repeated"] == {
        "1": 2
    }
    assert "counted as one" not in run("--summary", first).stdout
