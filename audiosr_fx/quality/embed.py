"""Pages that stand alone: scripts, styles and audio in one HTML file that asks no network for anything.

What a page says comes in as data, in base64, and is put on the screen as text by its scripts: no name of a
file can become markup. A content security policy names the scripts and styles by their hash and forbids
everything else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from audiosr_fx.atomic import publish, temporary_beside
from audiosr_fx.errors import AudioFormatError, NameTaken
from audiosr_fx.sources import Audio, check_audio
from audiosr_fx.wording import one_line, shown, taken

_FULL_SCALE: Final = 32_767.0


class EmbeddedFormat(StrEnum):
    """How audio lies in a page: 16 bit either way. FLAC is about half the size; both play everywhere."""

    FLAC = "flac"
    WAV = "wav"


def encode_audio(audio: Audio, sample_rate: int, format: EmbeddedFormat = EmbeddedFormat.FLAC) -> bytes:
    """Encode audio as a 16 bit file in memory, with TPDF dither; the same samples give the same bytes.

    Args:
        audio: float32 (channels, samples), 1 to 8 channels.
        sample_rate: in Hz.
        format: of the file.

    Raises:
        AudioFormatError: what ``check_audio`` refuses, and audio beyond full scale, which would clip.
    """
    audio = check_audio(audio, sample_rate)
    peak = float(np.max(np.abs(audio), initial=0.0))
    if peak > 1.0:
        raise AudioFormatError(f"audio reaches {peak:.3f}; expected 1.0 or less: lower its gain")
    draws = np.random.Generator(np.random.PCG64(0)).random((2, audio.shape[1], audio.shape[0]))
    scaled = audio.T * _FULL_SCALE + (draws[0] - draws[1])
    samples = np.clip(np.rint(scaled), -32_768, 32_767).astype(np.int16)
    stream = io.BytesIO()
    soundfile.write(stream, samples, sample_rate, format=format.upper(), subtype="PCM_16")
    return stream.getvalue()


def audio_id(data: bytes) -> str:
    """The name of an encoded recording in a page: it says nothing but which bytes they are."""
    return f"audio-{hashlib.sha256(data).hexdigest()[:32]}"


def asset(name: str) -> str:
    """The text of a script, style sheet or body that ships with this package."""
    return resources.files("audiosr_fx.quality").joinpath("page", name).read_text(encoding="utf-8")


def data_block(block_id: str, data: bytes) -> str:
    """An element that holds bytes, for ``AlignedAudio.bytes`` of player.js; browsers do not run it."""
    content = base64.b64encode(data).decode("ascii")
    return f'<script type="application/octet-stream" id="{html.escape(block_id)}">{content}</script>'


def json_block(block_id: str, value: object) -> str:
    """An element that holds a value, for ``AlignedAudio.json``. It is no secret, but no plain text either."""
    return data_block(block_id, canonical_json(value))


def canonical_json(value: object) -> bytes:
    """A value as JSON that is the same for equal values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode("ascii")


def assemble_page(
    *, title: str, body: str, styles: Sequence[str], scripts: Sequence[str], blocks: Iterable[str]
) -> str:
    """Put a page together.

    Args:
        title: of the window; any text.
        body: markup of our own, without anything that came from outside.
        styles: texts of style sheets.
        scripts: texts of scripts, which run in this order when the rest of the page is there.
        blocks: made by ``data_block`` and ``json_block``.
    """
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(scripts)}",
            f"style-src {_hashes(styles)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="data:,">',
        f"<title>{html.escape(title.encode(errors='replace').decode())}</title>",
        *(f"<style>{style}</style>" for style in styles),
        "</head>",
        "<body>",
        body,
        *blocks,
        *(f"<script>{script}</script>" for script in scripts),
        "</body>",
        "</html>",
        "",
    ]
    return "\n".join(parts)


def _hashes(texts: Sequence[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii") for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"


def write_whole(path: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Write a file that is there whole or not at all.

    Raises:
        AudioFormatError: the name is taken and may not be, or the folder or disk does not take it.
    """
    temporary = temporary_beside(path)
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        publish(temporary, path, overwrite=overwrite)
    except FileExistsError as cause:
        raise NameTaken(taken(path)) from cause
    except OSError as cause:
        raise AudioFormatError(
            f"{shown(path)}: cannot be written ({cause.strerror or one_line(cause)})"
        ) from cause
    finally:
        with suppress(OSError):
            temporary.unlink()
