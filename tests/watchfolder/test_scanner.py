from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from watchfolder.scanner import View, observe
from watchfolder.snapshot import Snapshot, Stamp

SETTLE_S = 3.0


def stamp(content: int = 0, inode: int = 1) -> Stamp:
    return Stamp(device=1, inode=inode, size=100, mtime_ns=content)


def seen(**files: Stamp) -> Snapshot:
    return Snapshot(root=(1, 1), files=files)


def test_a_file_is_ready_when_it_has_not_changed_for_the_settle_time() -> None:
    view = observe(View(), seen(a=stamp()), 10.0)
    assert view.settled(12.9, SETTLE_S) == []
    view = observe(view, seen(a=stamp()), 12.9)
    assert view.settled(13.0, SETTLE_S) == ["a"]
    assert view.next_s(SETTLE_S) == 13.0


def test_any_change_starts_the_wait_anew() -> None:
    base = stamp()
    for changed in (
        base._replace(size=101),
        base._replace(mtime_ns=-5),
        base._replace(inode=2),
        base._replace(device=2),
    ):
        view = observe(observe(View(), seen(a=base), 0.0), seen(a=changed), 2.0)
        assert view.settled(4.9, SETTLE_S) == []
        assert view.settled(5.0, SETTLE_S) == ["a"]


def test_what_was_taken_is_not_taken_twice_unless_it_changes() -> None:
    view = observe(View(), seen(a=stamp()), 0.0).with_taken(["a"])
    assert view.settled(100.0, SETTLE_S) == []
    assert view.next_s(SETTLE_S) is None
    view = observe(view, seen(a=stamp(1)), 200.0)
    assert view.settled(203.0, SETTLE_S) == ["a"]


def test_what_is_gone_is_forgotten_and_what_comes_back_is_new() -> None:
    view = observe(View(), seen(a=stamp()), 0.0).with_taken(["a"])
    view = observe(view, seen(), 1.0)
    assert view.files == {}
    view = observe(view, seen(a=stamp()), 2.0)
    assert view.settled(5.0, SETTLE_S) == ["a"]


def test_what_cannot_be_listed_just_now_still_counts_as_there() -> None:
    files = {"a": stamp(), "in/b": stamp(), "in/deep/c": stamp(), "inside": stamp()}
    view = observe(View(), Snapshot(root=(1, 1), files=files), 0.0).with_taken(files)
    view = observe(view, Snapshot(root=(1, 1), files={"a": stamp()}, unreadable={"in": "no"}), 1.0)
    assert sorted(view.files) == ["a", "in/b", "in/deep/c"]
    assert view.settled(100.0, SETTLE_S) == []


def test_a_reason_to_wait_is_forgotten_when_the_file_changes() -> None:
    view = observe(View(), seen(a=stamp()), 0.0).with_held({"a": "short"})
    assert view.files["a"].held == "short"
    assert view.next_s(SETTLE_S) is None
    assert observe(view, seen(a=stamp()), 1.0).files["a"].held == "short"
    assert observe(view, seen(a=stamp(1)), 1.0).files["a"].held == ""


@settings(max_examples=80)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 5.0),
            st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3),
        ),
        max_size=30,
    )
)
def test_nothing_is_ready_before_it_has_lain_still_and_everything_after(
    looks: list[tuple[float, dict[str, int]]],
) -> None:
    now, view = 0.0, View()
    since: dict[str, tuple[int, float]] = {}
    taken: dict[str, int] = {}
    for pause, files in looks:
        now += pause
        view = observe(
            view, Snapshot(root=(1, 1), files={name: stamp(content) for name, content in files.items()}), now
        )
        taken = {name: content for name, content in taken.items() if name in files}
        since = {
            name: since[name] if name in since and since[name][0] == content else (content, now)
            for name, content in files.items()
        }
        expected = [
            name
            for name, (content, first) in sorted(since.items())
            if now - first >= SETTLE_S and taken.get(name) != content
        ]
        ready = view.settled(now, SETTLE_S)
        assert ready == expected
        view = view.with_taken(ready)
        taken |= {name: since[name][0] for name in ready}
