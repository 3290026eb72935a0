"""A run is only gone on with from the weights it began from, wherever they or it have been moved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from audiosr_fx.errors import CheckpointError
from audiosr_fx.training.assemble import read_stage
from audiosr_fx.training.checkpoints import check_start, read_checkpoint, read_record, write_checkpoint


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that ``train all`` went on with from the one around it, and beside both another and a file."""
    folder = tmp_path / "first" / "polish"
    folder.mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "parent.safetensors").touch()
    for copy, content in (("first", b""), ("other", b"not those")):
        (tmp_path / copy / "parent.safetensors").write_bytes(content)
    (tmp_path / "other" / "first").mkdir()
    return folder


@pytest.mark.parametrize(
    ("began", "start"),
    [
        ("mini", "mini"),
        ("mini", None),
        (None, None),
        ("/gone/parent.safetensors", "{}/parent.safetensors"),
        ("/gone/first", "{}/other"),  # moved
        ("{}/other", "{}/first"),  # copied with the run around it
        ("{}/other/first", "{}/first"),
        ("{}/parent.safetensors", "{}/first/parent.safetensors"),  # copied
        ("runs/other", "{}/other"),  # as it was said before folders were kept from the root on
    ],
)
def test_the_same_start_is_known_wherever_it_lies(began: str | None, start: str | None, run: Path) -> None:
    root = run.parent.parent
    said = [None if text is None else text.format(root) for text in (began, start)]
    check_start(run / "vae.pt", {"init": said[0]}, {"init": said[1]})
    check_start(run / "vae.pt", {}, {"init": said[1]})


@pytest.mark.parametrize(
    ("began", "start", "told"),
    [
        ("mini", "speech", "mini;"),
        (None, "mini", "random weights;"),
        (None, "{}/other", "random weights;"),
        ("mini", "{}/other", "mini;"),
        ("{}/first", "{}/other", "first;"),
        ("{}/first", "mini", "first;"),
        ("{}/first", "{}/other/first", "first;"),  # another that is called the same
        ("{}/parent.safetensors", "{}/other/parent.safetensors", "parent.safetensors;"),
        ("{}/parent.safetensors", "{}/other", "parent.safetensors;"),
        ("/gone/parent.safetensors", "{}/other", "parent.safetensors;"),
    ],
)
def test_another_start_is_refused(began: str | None, start: str, told: str, run: Path) -> None:
    root = run.parent.parent
    before = {"init": None if began is None else began.format(root)}
    with pytest.raises(CheckpointError, match=f"that began from (/.*)?{told} to begin from .* choose"):
        check_start(run / "vae.pt", before, {"init": start.format(root)})


def test_the_hash_of_the_weights_decides_whatever_they_are_called(tmp_path: Path) -> None:
    path, before = tmp_path / "vae.pt", {"init": "mini", "init_sha256": "a1"}
    check_start(path, before, {"init": "/elsewhere/copy.safetensors", "init_sha256": "a1"})
    check_start(path, before, {"init": None, "init_sha256": None})
    check_start(path, {"init": "mini"}, {"init": "mini", "init_sha256": "b2"})  # of old there is no hash
    told = "began from mini as it was then; to begin from mini as it is now choose another --runs folder"
    with pytest.raises(CheckpointError, match=told):
        check_start(path, before, {"init": "mini", "init_sha256": "b2"})


def test_a_record_is_read_without_its_tensors_and_nothing_of_what_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "vae.pt"
    write_checkpoint(path, {"module": {"weight": torch.zeros(9)}, "record": {"init": "mini"}})
    assert read_record(path) == {"init": "mini"}
    for content in (b"", b"words", path.read_bytes()[:-30]):
        path.write_bytes(content)
        assert read_record(path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        bytes(1_000),
        b"words\n" * 9,
        b"\x80\x02a.",
        b"\x80\x02X\x01",
        b"\x80\x02}q\x00X\x02\x00\x00\x00\xff\xfe.",
    ],
    ids=["empty", "zeros", "text", "popped", "short", "no text"],
)
def test_a_damaged_checkpoint_is_one_line_whatever_torch_says_of_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "vae.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        read_checkpoint(tmp_path / "vae.pt")
    with pytest.raises(CheckpointError, match=r"vae\.pt cannot be read \(.+\); restore it") as caught:
        read_stage(tmp_path, "vae")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "raised", "told"),
    [
        (RuntimeError("file write failed"), OSError, r"vae\.pt: cannot be written \(.*file write failed\)"),
        (OSError(28, "file write failed"), OSError, r"vae\.pt: cannot be written \(.*file write failed\)"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ],
)
def test_what_ends_a_checkpoint_half_written_leaves_the_one_before_and_nothing_else(
    fault: BaseException,
    raised: type[BaseException],
    told: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "vae.pt"
    write_checkpoint(path, {"step": 1})

    def fill(state: object, where: Path) -> None:
        where.write_bytes(b"half")
        raise fault

    monkeypatch.setattr(torch, "save", fill)
    with pytest.raises(raised, match=told):
        write_checkpoint(path, {"step": 2})
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]
