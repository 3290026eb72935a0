"""Pages that stand alone: what is embedded comes out again, and nothing in it can act."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from listening import RATE, noise

from audiosr_fx.errors import AudioFormatError
from audiosr_fx.quality.embed import (
    EmbeddedFormat,
    assemble_page,
    asset,
    audio_id,
    data_block,
    encode_audio,
    json_block,
    write_whole,
)


@pytest.mark.parametrize("format", list(EmbeddedFormat))
@pytest.mark.parametrize(("samples", "channels"), [(1, 1), (64, 2), (8193, 2)])
def test_embedded_audio_is_the_audio_within_16_bit(
    format: EmbeddedFormat, samples: int, channels: int
) -> None:
    audio = noise(1.0, channels=channels)[:, :samples]
    decoded, rate = soundfile.read(io.BytesIO(encode_audio(audio, RATE, format)), always_2d=True)
    assert rate == RATE
    assert decoded.shape == (samples, channels)
    assert np.abs(decoded.T - audio).max() < 2.5 / 32_768  # rounding, dither of two steps, and its scale


def test_dither_is_the_same_every_time_and_makes_quiet_signals_noisy_not_distorted() -> None:
    tone = (0.4 / 32_768 * np.sin(np.arange(RATE) * 0.1)).astype(np.float32)[np.newaxis]
    data = encode_audio(tone, RATE, EmbeddedFormat.WAV)
    assert data == encode_audio(tone, RATE, EmbeddedFormat.WAV)
    decoded, _ = soundfile.read(io.BytesIO(data))
    spectrum = np.abs(np.fft.rfft(decoded * np.hanning(RATE)))
    tone_bin = round(0.1 / (2 * np.pi) * RATE)
    assert spectrum.argmax() in (tone_bin - 1, tone_bin, tone_bin + 1)
    assert spectrum[3 * tone_bin] < 0.1 * spectrum.max()


def test_audio_beyond_full_scale_is_refused() -> None:
    with pytest.raises(AudioFormatError, match=r"reaches 1\.500; expected 1\.0 or less"):
        encode_audio(np.full((1, 8), 1.5, np.float32), RATE)


def test_an_identifier_tells_the_bytes_and_nothing_else() -> None:
    assert audio_id(b"a") == audio_id(b"a") != audio_id(b"b")
    assert re.fullmatch(r"audio-[0-9a-f]{32}", audio_id(b"a"))


@pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--", "\udcff", "日本"])
def test_no_name_can_become_markup(name: str) -> None:
    block = json_block("test", {"name": name})
    content = re.fullmatch(
        r'<script type="application/octet-stream" id="test">([A-Za-z0-9+/=]+)</script>', block
    )
    assert content is not None
    assert json.loads(base64.b64decode(content[1])) == {"name": name}


def test_the_title_is_text() -> None:
    page = assemble_page(title="</title><b>\udcff", body="", styles=[], scripts=[], blocks=[])
    assert "<title>&lt;/title&gt;&lt;b&gt;?</title>" in page
    assert "script-src 'none'; style-src 'none'" in page


def test_only_our_own_scripts_and_styles_may_run() -> None:
    page = assemble_page(
        title="t",
        body="",
        styles=["a{}"],
        scripts=["let b;"],
        blocks=[data_block("x", b"\x00")],
    )
    digest = base64.b64encode(hashlib.sha256(b"let b;").digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}';" in policy[1]
    assert "unsafe" not in page
    assert "http:" not in page
    assert "https:" not in page


@pytest.mark.parametrize(
    "name",
    ["player.js", "transport.js", "session.js", "listen.js", "player.css", "listen.css", "listen.html"],
)
def test_assets_can_stand_inside_a_page(name: str) -> None:
    text = asset(name)
    assert "</script" not in text.lower()
    assert "</style" not in text.lower()
    assert "<!--" not in text
    assert "\r" not in text
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_a_file_is_written_whole_and_never_over_another(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_whole(path, b"one")
    with pytest.raises(AudioFormatError, match="exists already"):
        write_whole(path, b"two")
    assert path.read_bytes() == b"one"
    write_whole(path, b"two", overwrite=True)
    assert path.read_bytes() == b"two"
    with pytest.raises(AudioFormatError, match="cannot be written"):
        write_whole(tmp_path / "none" / "page.html", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]
