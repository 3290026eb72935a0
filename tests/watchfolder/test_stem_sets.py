from __future__ import annotations

from watchfolder.scanner import View, observe
from watchfolder.snapshot import Snapshot, Stamp
from watchfolder.stem_sets import form_batches

SETTLE_S = 3.0


class Folder:
    """Files and a clock, and what is known of them."""

    def __init__(self) -> None:
        self.view = View()
        self.files: dict[str, Stamp] = {}
        self.now_s = 100.0

    def write(self, *names: str) -> None:
        for name in names:
            size = self.files[name].size + 1 if name in self.files else 1
            self.files[name] = Stamp(device=1, inode=hash(name), size=size, mtime_ns=0)
        self.look()

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.look()

    def look(self) -> None:
        self.view = observe(self.view, Snapshot(root=(1, 1), files=dict(self.files)), self.now_s)

    def batches(self) -> list[tuple[str, ...]]:
        return form_batches(self.view, self.view.settled(self.now_s, SETTLE_S), SETTLE_S)


def test_files_of_one_sub_folder_that_arrive_together_are_a_set() -> None:
    folder = Folder()
    folder.write("song/kick.wav", "song/bass.wav", "other/voice.wav", "top.wav", "top2.wav")
    folder.wait(SETTLE_S)
    assert sorted(folder.batches()) == [
        ("other/voice.wav",),
        ("song/bass.wav", "song/kick.wav"),
        ("top.wav",),
        ("top2.wav",),
    ]


def test_a_copy_of_one_after_the_other_is_one_set_however_long_each_takes() -> None:
    folder = Folder()
    for name in ("song/a.wav", "song/b.wav", "song/c.wav"):
        for _ in range(10):
            folder.write(name)
            folder.wait(1.0)
            assert folder.batches() == []
    folder.wait(1.0)
    assert folder.batches() == []
    folder.wait(1.0)
    assert folder.batches() == [("song/a.wav", "song/b.wav", "song/c.wav")]


def test_what_comes_after_a_pause_is_a_set_of_its_own() -> None:
    folder = Folder()
    folder.write("song/a.wav", "song/b.wav")
    folder.wait(SETTLE_S)
    (first,) = folder.batches()
    folder.view = folder.view.with_taken(first)
    folder.wait(1.0)
    folder.write("song/c.wav")
    folder.wait(SETTLE_S)
    assert folder.batches() == [("song/c.wav",)]


def test_a_held_member_does_not_keep_the_others() -> None:
    folder = Folder()
    folder.write("song/a.wav", "song/cut.wav")
    folder.wait(SETTLE_S)
    folder.view = folder.view.with_held({"song/cut.wav": "short"})
    assert form_batches(folder.view, ["song/a.wav"], SETTLE_S) == [("song/a.wav",)]


def test_a_member_that_is_replaced_later_comes_alone() -> None:
    folder = Folder()
    folder.write("song/a.wav", "song/b.wav")
    folder.wait(SETTLE_S)
    folder.view = folder.view.with_taken(folder.batches()[0])
    folder.wait(60.0)
    folder.write("song/a.wav")
    folder.wait(SETTLE_S)
    assert folder.batches() == [("song/a.wav",)]


def test_every_file_is_in_exactly_one_batch() -> None:
    folder = Folder()
    names = [f"{place}{n}.wav" for place in ("", "x/", "x/y/", "z/") for n in range(5)]
    for name in names:
        folder.write(name)
        folder.wait(2.0)
    folder.wait(SETTLE_S)
    assert sorted(name for batch in folder.batches() for name in batch) == sorted(names)
