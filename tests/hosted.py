"""Real VST3 plugins for the tests: Debian's zam-plugins, where they are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path("/usr/lib/vst3")
MONO = FOLDER / "ZamTube.vst3"  # must be loaded anew to be reset
MONO_EQ = FOLDER / "ZamEQ2.vst3"
STEREO = FOLDER / "ZamCompX2.vst3"
LATENT = FOLDER / "ZaMaximX2.vst3"  # stereo, holds back 480 samples

needs_vst3 = pytest.mark.skipif(
    not all(path.is_dir() for path in (MONO, MONO_EQ, STEREO, LATENT)),
    reason="needs real VST3 plugins: apt-get install zam-plugins",
)
