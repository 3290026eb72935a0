"""Files that plugins are set from: ``.vstpreset`` and raw state, looked at before a plugin gets them.

Plugins take what is not theirs without a word, or worse.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

from audiosr_fx.errors import PresetError
from audiosr_fx.files import FilePath
from audiosr_fx.wording import shown

MAX_BYTES: Final = 64 * 1024 * 1024
_PRESET_HEADER: Final = 48  # magic, version, class id, offset of the list of chunks
_CHUNK_LIST: Final = b"List"
_STATE_MAGIC: Final = b"VC2!"
_STATE_TAG: Final = b"<VST3PluginState"
_CLASS_MARK: Final = b"VST3class:"  # our own, behind the state, where no plugin looks


def preset_class_id(path: FilePath) -> str:
    """The class of plugin that a ``.vstpreset`` file is for: 32 hexadecimal digits.

    Raises:
        PresetError: no such file, or it is damaged or none.

    Source: Steinberg, VST 3 preset format: "VST3", int32 version, 32 characters, int64 offset of "List".
    """
    content = _content(path)
    name = shown(Path(path))
    if len(content) < _PRESET_HEADER or content[:4] != b"VST3":
        raise PresetError(f"{name}: is no VST3 preset; expected a .vstpreset file")
    class_id, place = struct.unpack("<32sq", content[8:_PRESET_HEADER])
    digits = str(class_id.decode("ascii", "replace"))
    if not _is_class_id(digits):
        raise PresetError(f"{name}: is damaged (its class id is {digits!r}); export it again")
    if not _PRESET_HEADER <= place <= len(content) - 8 or content[place : place + 4] != _CHUNK_LIST:
        raise PresetError(f"{name}: is damaged (its list of chunks is missing); export it again")
    return digits.upper()


def write_state(path: FilePath, state: bytes, class_id: str) -> None:
    """Keep a plugin's raw state in a new file, with the class of plugin it is for.

    Raises:
        FileExistsError: there is such a file.
        OSError: it cannot be written.
    """
    with Path(path).open("xb") as stream:
        stream.write(state + _CLASS_MARK + class_id.encode("ascii"))


def read_state(path: FilePath) -> tuple[bytes, str | None]:
    """The raw state in a file, and the class of plugin it is for, where the file tells.

    Raises:
        PresetError: no such file, or it is damaged or none.
    """
    content = _content(path)
    if len(content) < 8 or content[:4] != _STATE_MAGIC or _STATE_TAG not in content:
        raise PresetError(f"{shown(Path(path))}: is no plugin state; expected a file of VST3.save_state")
    end = 8 + int(struct.unpack("<I", content[4:8])[0])
    state, _, rest = content.partition(_CLASS_MARK)
    class_id = rest.decode("ascii", "replace")
    if end > len(state) or (rest and not _is_class_id(class_id)):
        raise PresetError(f"{shown(Path(path))}: is damaged; save the state again")
    return state, class_id.upper() or None


def _is_class_id(text: str) -> bool:
    return len(text) == 32 and all(digit in "0123456789abcdefABCDEF" for digit in text)


def _content(path: FilePath) -> bytes:
    path = Path(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as cause:
        reason = (isinstance(cause, OSError) and cause.strerror) or cause
        raise PresetError(f"{shown(path)}: cannot be read ({reason})") from cause
    if len(content) > MAX_BYTES:
        raise PresetError(f"{shown(path)}: is larger than {MAX_BYTES} bytes, so it is no plugin's")
    return content
