"""Renders asked for by lines of text, as a script without sockets does."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from studio import RATE, Studio
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.errors import MessageError
from hosts.commands.send_lines import _breathing
from hosts.lines import read_lines, write_line
from hosts.osc import Message


def send(folder: Path, text: str, *words: str) -> tuple[int, list[list[str]], str]:
    (folder / "requests").write_text(text, "utf-8")
    command = ["send", "lines", str(folder / "requests"), "-o", str(folder / "replies"), *words]
    result = CliRunner().invoke(app, command)
    lines = (folder / "replies").read_text("utf-8").splitlines()
    return result.exit_code, [line.split("\t") for line in lines if line], result.stderr


def test_every_line_is_answered_under_its_own_word(desk: Studio, tmp_path: Path) -> None:
    stems = [desk.stem(f"ä {number}.wav") for number in range(20)]
    text = "".join(
        f"word-{number}\t{stem}\t{number}\t9600\t{RATE}\t\tseed={number}\r\n"
        for number, stem in enumerate(stems)
    )
    code, replies, _ = send(tmp_path, text + "bad-1\t/none.wav\t0\t0\t0\t\n\n", "--port", str(desk.port))
    assert code == 1
    ends = {reply[1]: reply for reply in replies if reply[0] in ("done", "error")}
    assert len(ends) == 21
    assert all(Path(ends[f"word-{number}"][3]).is_file() for number in range(20))
    assert "outside of what is served" in ends["bad-1"][3]
    assert desk.renders("ä 7.wav") == ["7s-9607s region 7 "]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a\t/x.wav\t0\t0\t0", "line 1: has 5 fields; expected request, path, start"),
        ("a\t/x\t0\t0\t0\t\n\n!\t/x\t0\t0\t0\t", "line 3: "),
        ("a\t/x\t0\t0\t1e3\t", "rate is '1e3'; expected whole Hz"),
        ("a\t/x\t0\t0\t0\t\na\t/x\t0\t0\t0\t", "request a stands in two lines"),
        ("\n".join(f"a{number}\t/x\t0\t0\t0\t" for number in range(1001)), "expected up to 1000"),
    ],
)
def test_lines_that_do_not_fit_are_said_on_both_sides(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(MessageError, match=says):
        read_lines(text)
    code, replies, err = send(tmp_path, text)
    assert (code, says in err, len(err.splitlines())) == (2, True, 1)
    assert replies[0][:3] == ["error", "", ""]
    assert says in replies[0][3]


def test_what_is_no_text_or_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "requests").write_bytes(b"\xff\xfe")
    words = ["send", "lines", str(tmp_path / "requests"), "-o"]
    result = CliRunner().invoke(app, [*words, str(tmp_path / "replies")])
    assert (result.exit_code, "is not UTF-8 at its byte 0" in result.stderr) == (2, True)
    result = CliRunner().invoke(app, [*words, str(tmp_path / "none" / "replies")])
    assert (result.exit_code, "cannot be written" in result.stderr) == (5, True)


@pytest.mark.parametrize("name", ["requests", "./requests", "vocal.wav"])
def test_a_file_that_is_there_is_not_overwritten_by_answers(name: str, tmp_path: Path) -> None:
    for each in ("requests", "vocal.wav"):
        (tmp_path / each).write_text("precious")
    words = ["send", "lines", str(tmp_path / "requests"), "-o", f"{tmp_path}/{name}", "--port", "9", "--tcp"]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, len(result.stderr.splitlines())) == (5, 1)
    assert "is there already; expected a new file for the answers" in result.stderr
    assert {path.read_text() for path in tmp_path.iterdir()} == {"precious"}


def test_a_breath_that_fails_is_passed_over() -> None:
    was_tried = threading.Event()

    def tell(_: str) -> None:
        was_tried.set()
        raise OSError(errno.ENOSPC, "no space")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hosts.commands.send_lines._BREATH_S", 0.001)
        with _breathing(tell):  # what a thread raises, pytest reports
            assert was_tried.wait(60)


def test_a_server_that_does_not_run_is_an_answer_too(
    tmp_path: Path,
) -> None:
    code, replies, _ = send(tmp_path, "a\t/x.wav\t0\t0\t0\t", "--port", "9", "--tcp")
    assert code == 1
    assert replies[0][:3] == ["error", "a", ""]
    assert "nothing answers at 127.0.0.1 port 9" in replies[0][3]


def test_a_long_render_is_told_from_a_dead_program(
    desk: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hosts.commands.send_lines._BREATH_S", 0.01)
    stem, hold = desk.stem("long.wav"), desk.hold("long.wav")
    replies = tmp_path / "replies"

    def let_go() -> None:
        while not (replies.exists() and replies.read_text().count("\n\n") > 3):
            desk.service.events(desk.service.store.last_event(), wait_s=0.05)
        hold.unlink()

    thread = threading.Thread(target=let_go)
    thread.start()
    code, answers, _ = send(tmp_path, f"long-1\t{stem}\t0\t0\t0\t", "--port", str(desk.port))
    thread.join()
    assert (code, answers[-1][:2]) == (0, ["done", "long-1"])


def test_no_reply_breaks_its_line() -> None:
    assert write_line(Message("/audiosr/error", ("a", "", "one\ntwo\tthree"))) == "error\ta\t\tone two three"
