from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from job_orders import new_order, new_source

from audiosr_fx.errors import AudioFormatError, AudioSRError, MessageError, ParameterError, PresetError
from audiosr_fx.jobs.order import Order, RecipeBook, identify, is_unchanged, order_from_dict, place_order
from audiosr_fx.jobs.request import RenderRequest


def request_for(tmp_path: Path, **more: object) -> RenderRequest:
    source = new_source(tmp_path / "in", "a.wav", b"some audio")
    return RenderRequest(source=source, folder=tmp_path / "out", output_name="a.wav", **more)  # type: ignore[arg-type]


def test_an_order_comes_back_from_its_json_with_the_same_key(tmp_path: Path) -> None:
    order = new_order(tmp_path, preset="podcast", overrides=(("target_lufs", "-16"),), seed=7)
    again = order_from_dict(json.loads(json.dumps(order.to_dict())))
    assert again == order
    assert again.key == order.key


def test_the_key_knows_what_makes_the_file_and_nothing_else(tmp_path: Path) -> None:
    order = new_order(tmp_path)

    def with_request(**more: object) -> Order:
        return replace(order, request=replace(order.request, **more))  # type: ignore[arg-type]

    others = [
        replace(order, source=replace(order.source, sha256="0" * 64)),
        replace(order, recipe="another"),
        replace(order, models=(("mini", "1" * 64),)),
        with_request(region="1-2"),
        with_request(output_name="b.wav"),
        with_request(folder=tmp_path / "elsewhere"),
        with_request(bits="16"),
        with_request(keep_metadata=False),
    ]
    assert len({order.key, *(other.key for other in others)}) == len(others) + 1
    same = [
        replace(order, source=replace(order.source, mtime_ns=1, inode=2)),
        with_request(priority=5, origin="osc", tag="again"),
        with_request(source=tmp_path / "in" / "copy.wav"),
    ]
    assert {one.key for one in same} == {order.key}


@pytest.mark.parametrize("told", [None, [], {}, {"request": {}}, {"source": {"sha256": 1}}])
def test_what_is_no_order_is_refused(told: object) -> None:
    with pytest.raises(MessageError):
        order_from_dict(told)


def test_the_chain_is_pinned_down_with_its_values(tmp_path: Path) -> None:
    order = place_order(request_for(tmp_path, overrides=(("quality", "draft"),), seed=9))
    assert 'quality = "draft"' in order.recipe
    assert "seed = 9" in order.recipe
    assert [name for name, _ in order.models] == ["mini"]
    assert len(order.models[0][1]) == 64
    assert place_order(request_for(tmp_path, overrides=(("quality", "draft"),), seed=9)).key == order.key


def test_a_preset_without_a_model_asks_for_none(tmp_path: Path) -> None:
    order = place_order(request_for(tmp_path, preset="loudness-only", seed=3))
    assert order.models == ()
    with pytest.raises(ParameterError, match="has no AudioSR"):
        place_order(request_for(tmp_path, preset="loudness-only", model="mini"))


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"preset": "no-such"}, PresetError),
        ({"overrides": (("no_such", "1"),)}, ParameterError),
        ({"overrides": (("quality", "superb"),)}, PresetError),
        ({"region": "5-2"}, ParameterError),
        ({"model": "no-such"}, AudioSRError),
    ],
)
def test_what_cannot_be_rendered_is_refused_at_once(
    tmp_path: Path, more: dict[str, object], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        place_order(request_for(tmp_path, **more))


def test_a_bad_recipe_is_read_once_for_all_who_ask_for_it(tmp_path: Path) -> None:
    preset = tmp_path / "mine.toml"
    preset.write_text("no preset at all", "utf-8")
    book, request = RecipeBook(), request_for(tmp_path, preset=str(preset))
    with pytest.raises(PresetError) as first:
        place_order(request, book)
    preset.unlink()  # so that it would be another error now
    with pytest.raises(PresetError, match="not TOML") as second:
        place_order(request, book)
    assert str(second.value) == str(first.value)
    with pytest.raises(PresetError, match="mine"):
        place_order(request)


def test_a_source_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(AudioFormatError, match="cannot be read"):
            identify(path)
    os.mkfifo(tmp_path / "pipe.wav")  # nobody will ever write into it
    with pytest.raises(AudioFormatError, match="not a file"):
        identify(tmp_path / "pipe.wav")


def test_a_source_is_known_by_its_content(tmp_path: Path) -> None:
    path = new_source(tmp_path, "a.wav", b"first")
    known = identify(path)
    assert is_unchanged(path, known)
    os.utime(path, (1, 1))  # touched, but the same
    assert is_unchanged(path, known)
    path.write_bytes(b"other")
    os.utime(path, ns=(known.mtime_ns, known.mtime_ns))  # as a copy that keeps dates would
    assert not is_unchanged(path, known)
    path.unlink()
    assert not is_unchanged(path, known)


def test_taking_a_request_in_loads_no_model(tmp_path: Path) -> None:
    request = request_for(tmp_path, preset="gentle-restore")
    code = (
        "import json, sys\nfrom audiosr_fx.jobs.order import place_order\n"
        "from audiosr_fx.jobs.request import request_from_dict\n"
        "assert place_order(request_from_dict(json.loads(sys.argv[1]))).models\n"
        "assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    subprocess.run([sys.executable, "-c", code, json.dumps(request.to_dict())], env=environment, check=True)
