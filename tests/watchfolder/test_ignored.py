from __future__ import annotations

import pytest

from watchfolder.ignored import is_ignored

STEMS = """
kick.wav
Bass DI (take 3).WAV
mix.v2.final.flac
part.wav
tmp.aiff
peak.flac
~.wav
Lock.w64
download.wav
Vocal ~ dry.wav
naïve 🎸.flac
""".strip().splitlines()

IGNORED = """
.kick.wav
._kick.wav
.kick.wav.Xa81bz
.syncthing.kick.wav.tmp
~syncthing~kick.wav.tmp
.audiosr_fx-0123456789abcdef.part
.audiosr_fx.toml
kick.wav.audiosr_fx.json
kick.wav~
~$notes.docx
.~lock.kick.wav#
kick.wav.tmp
kick.wav.TEMP
kick.wav.part
kick.wav.partial
kick.wav.filepart
kick.wav.crdownload
Unconfirmed 4711.crdownload
kick.wav.download
kick.wav.opdownload
kick.wav.uploading
kick.wav.aria2
kick.wav.!qB
kick.wav.bc!
.kick.wav.swp
kick.wav.bak
kick.wav.lock
kick.wav.asd
kick.wav.reapeaks
kick.wav.REAPEAKS
kick.pkf
kick.pek
kick.cfa
kick.wav.peak
kick.sfk
kick.sfap0
kick.gpk
kick.mrk
kick.ovw
kick.wfm
Thumbs.db
desktop.ini
.DS_Store
Icon\r
$RECYCLE.BIN
System Volume Information
lost+found
__MACOSX
@eaDir
#recycle
.Trash-1000
.git
""".strip("\n").split("\n")


@pytest.mark.parametrize("name", STEMS)
def test_stems_are_stems(name: str) -> None:
    assert not is_ignored(name)


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_no_stem_is_passed_over(name: str) -> None:
    assert is_ignored(name)
