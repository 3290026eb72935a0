from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiosr_fx import cache as cache_module
from audiosr_fx.cache import CacheUse, RenderCache, chosen_cache, default_cache
from audiosr_fx.errors import ParameterError

KEYS = [f"{number:02x}" + "0" * 62 for number in range(64)]
ARRAY = np.arange(2500, dtype=np.float32).reshape(2, 1250)  # 10 kB


@pytest.fixture
def cache(tmp_path: Path) -> RenderCache:
    return RenderCache(folder=tmp_path / "cache")


def files(cache: RenderCache) -> list[Path]:
    return sorted(path for path in cache.folder.rglob("*") if path.suffix == ".f32")


@pytest.mark.parametrize("shape", [(0,), (1,), (2, 3), (2, 512, 7), (3, 0)])
def test_what_is_saved_is_loaded_bit_for_bit(shape: tuple[int, ...], cache: RenderCache) -> None:
    array = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    cache.save(KEYS[0], array)
    loaded = cache.load(KEYS[0])
    assert loaded is not None
    assert loaded.dtype == np.float32
    assert np.array_equal(loaded, array)
    assert loaded.flags.writeable


def test_nothing_is_made_before_it_is_needed(cache: RenderCache) -> None:
    assert cache.load(KEYS[0]) is None
    assert cache.measure() == CacheUse(entries=0, size_bytes=0)
    assert cache.clear() == CacheUse(entries=0, size_bytes=0)
    assert not cache.folder.exists()


@given(data=st.data())
def test_no_damage_is_ever_read_as_sound(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = RenderCache(folder=tmp_path_factory.getbasetemp() / "damaged")
    cache.save(KEYS[0], ARRAY[:, :10])
    (path,) = files(cache)
    content = bytearray(path.read_bytes())
    kind = data.draw(st.sampled_from(["flip", "cut", "grow", "anything"]))
    if kind == "flip":
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    elif kind == "grow":
        content += data.draw(st.binary(min_size=1, max_size=9))
    else:
        content = bytearray(data.draw(st.binary(max_size=200)))
    path.write_bytes(content)
    assert cache.load(KEYS[0]) is None
    assert not path.exists()


def test_an_entry_under_anothers_name_is_not_taken_for_it(cache: RenderCache) -> None:
    cache.save(KEYS[0], ARRAY)
    cache.save(KEYS[1], 2 * ARRAY)
    first, second = files(cache)
    second.write_bytes(first.read_bytes())
    assert cache.load(KEYS[1]) is None


@pytest.mark.parametrize("what", ["folder", "link", "pipe"])
def test_what_is_no_file_is_passed_by(what: str, cache: RenderCache) -> None:
    cache.save(KEYS[0], ARRAY)
    (path,) = files(cache)
    path.unlink()
    if what == "folder":
        path.mkdir()
    elif what == "link":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    assert cache.load(KEYS[0]) is None
    cache.save(KEYS[0], ARRAY)
    assert (cache.load(KEYS[0]) is None) == (what == "folder")


def test_the_least_recently_used_go_first(cache: RenderCache) -> None:
    cache.max_bytes = 105_000  # ten entries
    for second, key in enumerate(KEYS[:10]):
        cache.save(key, ARRAY)
        path = cache.folder / key[:2] / f"{key[2:]}.f32"
        os.utime(path, (second, second))
    assert cache.load(KEYS[0]) is not None
    cache.save(KEYS[10], ARRAY)
    kept = [key for key in KEYS[:11] if cache.load(key) is not None]
    assert kept[0] == KEYS[0]
    assert kept[1:] == KEYS[11 - len(kept) + 1 : 11]
    assert len(kept) < 10


def test_it_stays_within_its_size(cache: RenderCache) -> None:
    cache.max_bytes = 200_000
    for key in KEYS:
        cache.save(key, ARRAY)
        assert cache.measure().size_bytes <= 200_000 * (1 + 1 / 32)
    assert cache.measure().entries > 10


def test_a_disk_that_is_nearly_full_gets_its_room_back(
    cache: RenderCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for key in KEYS[:5]:
        cache.save(key, ARRAY)

    class Usage:
        free = 1000

    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda folder: Usage)
    cache.save(KEYS[5], ARRAY)
    assert files(cache) == []
    assert "the disk is nearly full" in caplog.text


def test_what_a_writer_left_that_died_is_cleared_away(cache: RenderCache) -> None:
    cache.save(KEYS[0], ARRAY)
    old, young = (files(cache)[0].with_name(name) for name in ("old.part", "young.part"))
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    RenderCache(folder=cache.folder).save(KEYS[1], ARRAY)
    assert not old.exists()
    assert young.exists()


def test_clearing_deletes_entries_and_nothing_else(cache: RenderCache) -> None:
    cache.folder.mkdir()
    (cache.folder / "song.wav").write_bytes(b"mine")
    cache.save(KEYS[0], ARRAY)
    (cache.folder / "00" / "mine.txt").write_bytes(b"mine")
    (cache.folder / "00" / "left.part").write_bytes(b"half")
    cache.save(KEYS[7], ARRAY)
    gone = cache.clear()
    assert gone.entries == 2
    names = {str(path.relative_to(cache.folder)) for path in cache.folder.rglob("*")}
    assert names - {"CACHEDIR.TAG"} == {"song.wav", "00", "00/mine.txt"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
def test_a_disk_that_takes_nothing_is_told_of_once(
    number: int, cache: RenderCache, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(path: Path, content: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_bytes", fail)
    for key in KEYS[:3]:
        cache.save(key, ARRAY)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert os.strerror(number) in caplog.text
    assert list(cache.folder.rglob("*.part")) == []


def test_a_file_where_the_folder_should_be_harms_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_bytes(b"a file")
    cache = RenderCache(folder=tmp_path / "cache")
    cache.save(KEYS[0], ARRAY)
    assert cache.load(KEYS[0]) is None
    assert cache.clear() == cache.measure() == CacheUse(entries=0, size_bytes=0)
    assert len(caplog.records) == 1


def test_many_at_once_read_whole_entries_or_none(cache: RenderCache) -> None:
    wrong: list[int] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        own = RenderCache(folder=cache.folder, max_bytes=50_000)
        start.wait()
        for turn in range(40):
            place = (turn + number) % 8
            own.save(KEYS[place], ARRAY + place)
            found = own.load(KEYS[turn % 8])
            if found is not None and not np.array_equal(found, ARRAY + turn % 8):
                wrong.append(turn)
            if turn % 10 == number:
                own.clear()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert list(cache.folder.rglob("*.part")) == []


# --- whose cache ----------------------------------------------------------------------------------


def test_the_environment_says_where_it_is_and_how_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIOSR_FX_CACHE", str(tmp_path / "here"))
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", "0.5")
    cache = default_cache()
    assert cache == RenderCache(folder=tmp_path / "here", max_bytes=500_000_000)
    assert default_cache() is cache
    assert chosen_cache(True) is cache
    assert chosen_cache(False) is None
    own = RenderCache(folder=tmp_path)
    assert chosen_cache(own) is own


def test_of_no_size_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", "0")
    assert default_cache() is None


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "1e9"])
def test_a_size_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOSR_FX_CACHE_GB", text)
    with pytest.raises(ParameterError, match=r"AUDIOSR_FX_CACHE_GB is '.+'; expected gigabytes"):
        default_cache()
