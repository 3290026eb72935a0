"""The selected clip of Ableton Live, as the remote script AbletonOSC tells of it; never yet run with Live.

Source: github.com/ideoforms/AbletonOSC, its README: it listens at port 11000, and answers to port 11001 of
who asks, with the track and the clip in front of a clip's values. Its numbers are floats of 32 bits.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.files import read_info
from audiosr_fx.wording import one_line, shown
from hosts.osc import MAX_FRAME, Argument, Message, parse_packet

ASK_PORT: Final = 11_000
ANSWER_PORT: Final = 11_001
_REPEAT_S: Final = 0.25
_GIVE_UP_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveClip:
    """An audio clip that plays its file as it is.

    Attributes:
        path: of the file.
        start: first sample of it that the clip plays.
        length: how many.
        rate: of the file, in Hz.
    """

    path: Path
    start: int
    length: int
    rate: int


class AbletonOsc:
    """Asks AbletonOSC; use it as a context manager.

    Args:
        ask_port: where it listens.
        answer_port: where it answers to.
        give_up_s: how long it may be silent.

    Raises:
        ParameterError: the port that it answers to is taken.
    """

    def __init__(
        self,
        *,
        ask_port: int,
        answer_port: int,
        give_up_s: float = _GIVE_UP_S,
    ) -> None:
        self._to, self._give_up_s = ("127.0.0.1", ask_port), give_up_s
        self._unread = ""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", answer_port))
        except OSError as cause:
            self._socket.close()
            raise ParameterError(
                f"port {answer_port}, to which AbletonOSC answers, is taken; stop what else talks to Live"
            ) from cause

    def __enter__(self) -> AbletonOsc:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def selected(self) -> tuple[int, int]:
        """Track and slot of the selected session clip.

        Raises:
            ParameterError: nothing answers, or none is selected.
        """
        answer = self.ask("/live/view/get/selected_clip")
        if len(answer) != 2:
            raise ParameterError(
                "no clip is selected in Live's session view; name one with --track and --slot"
            )
        return _whole(answer[0]), _whole(answer[1])

    def clip(self, track: int, slot: int) -> LiveClip:
        """A clip, held against its file.

        Raises:
            ParameterError: nothing answers, or what is there does not play a file as it is.
            AudioFormatError: its file cannot be read.
        """
        where = f"the clip in slot {slot + 1} of track {track + 1}"
        if not self._value("is_audio_clip", track, slot):
            raise ParameterError(f"{where} is a MIDI clip; freeze and flatten its track first")
        if self._value("warping", track, slot):
            raise ParameterError(
                f"{where} is warped, so that its beats are not those of its file; switch Warp off in it first"
            )
        path = Path(str(self._value("file_path", track, slot)))
        info = read_info(path)
        bounds = [self._value(name, track, slot) for name in ("loop_start", "loop_end")]
        first, last = (_seconds(bound) for bound in bounds)
        start = max(0, round(first * info.sample_rate))
        stop = min(info.frames, round(last * info.sample_rate))
        if not start < stop:
            raise ParameterError(f"{where} plays nothing of its file, {shown(path)}")
        return LiveClip(path=path, start=start, length=stop - start, rate=info.sample_rate)

    def ask(self, address: str, *values: Argument) -> tuple[Argument, ...]:
        """What is answered at an address, behind the values that were sent.

        Raises:
            ParameterError: nothing answers, or it answers that there is no such thing.
        """
        self._unread = ""
        packet, end = Message(address, values).encode(), time.monotonic() + self._give_up_s
        while time.monotonic() < end:
            with suppress(OSError):
                self._socket.sendto(packet, self._to)
            until = time.monotonic() + _REPEAT_S
            while (left := until - time.monotonic()) > 0:
                for answer in self._heard(left):
                    if answer.address == "/live/error":
                        raise ParameterError(f"Live says: {' '.join(map(str, answer.arguments))[:200]}")
                    if answer.address == address and answer.arguments[: len(values)] == values:
                        return answer.arguments[len(values) :]
        if self._unread:
            raise ParameterError(f"AbletonOSC's answer cannot be read: {self._unread}")
        raise ParameterError(
            f"nothing answers at port {self._to[1]}; install AbletonOSC, and choose it as a control surface"
        )

    def _value(self, name: str, track: int, slot: int) -> Argument:
        answer = self.ask(f"/live/clip/get/{name}", track, slot)
        if len(answer) != 1:
            raise ParameterError(f"AbletonOSC tells no {name} of a clip; install a newer one")
        return answer[0]

    def _heard(self, wait_s: float) -> tuple[Message, ...]:
        self._socket.settimeout(wait_s)
        try:
            packet, sender = self._socket.recvfrom(65_536)
            if sender != self._to:  # it answers from where it listens; anybody else's word is none of Live's
                return ()
            return parse_packet(packet, max_bytes=MAX_FRAME)
        except MessageError as error:  # perhaps not what was asked for
            self._unread = one_line(error)
        except OSError:
            pass
        return ()


def _whole(value: Argument) -> int:
    if isinstance(value, (int, float)) and value == int(value):
        return int(value)
    raise ParameterError(f"AbletonOSC says {value!r:.40}; expected a whole number")


def _seconds(value: Argument) -> float:
    if isinstance(value, (int, float)):
        return float(value)
    raise ParameterError(f"AbletonOSC says {value!r:.40}; expected seconds")
