"""A real Ardour for tests: a session of its own on a screen that nobody sees, and a way to tell it things."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

OWN = Path(__file__).parent / "hosts" / "ardour"
RATE = 48_000
NAME = "song"
KEYS = ("ctrl+shift+F9", "ctrl+shift+F10", "ctrl+shift+F11", "ctrl+shift+F12")
PROGRAMS = ("ardour", "ardour7-lua", "Xvfb", "xdotool")

needs_ardour = pytest.mark.skipif(
    any(shutil.which(program) is None for program in PROGRAMS),
    reason="needs Ardour 7 and a screen: apt-get install ardour xvfb xdotool",
)

_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<Ardour>
  <Config>
    <Option name="hide-dummy-backend" value="0"/>
    <Option name="try-autostart-engine" value="1"/>
    <Option name="discover-plugins-on-start" value="0"/>
  </Config>
  <Extra><AudioMIDISetup><EngineStates>
    <State backend="None (Dummy)" driver="Normal Speed" device="Silence" input-device="" output-device=""
      sample-rate="48000" buffer-size="1024" n-periods="0" input-latency="0" output-latency="0" lm-input=""
      lm-output="" active="1" use-buffered-io="0" midi-option="No MIDI I/O" midi-devices=""/>
  </EngineStates></AudioMIDISetup></Extra>
</Ardour>
"""
_SHIPPED_KEYS = Path("/etc/ardour7/ardour.keys")
_TIMERS = f"{1 << 46 | 1 << 47:b}"
"""The timers of a second and of a tenth of one among the signals of hooks, as Ardour numbers them."""


@dataclass(frozen=True, kw_only=True)
class Fade:
    """A fade of a region: its length in samples, and its levels from point to point."""

    is_active: bool
    length: int = 0
    levels: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Region:
    """A region as a saved session has it, in samples."""

    playlist: str
    name: str
    position: int
    start: int
    length: int
    layer: int
    is_muted: bool
    gain: float
    fade_in: Fade
    fade_out: Fade
    sources: tuple[Path, ...]


class ArdourDesk:
    """A running Ardour with its session.

    Attributes:
        session: the session's folder.
    """

    def __init__(self, session: Path, screen: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.session = session
        self._screen, self._process, self._log = screen, process, log

    def tell(self, lua: str) -> str:
        """Run a chunk of Lua inside Ardour, and hear what it returns."""
        heard = self.session / "heard"
        heard.unlink(missing_ok=True)
        aside = self.session / "said.new"
        aside.write_text(lua)
        aside.rename(self.session / "said.lua")
        while not heard.exists():  # however busy the machine is: the test's timeout ends it
            if self._process.poll() is not None:
                pytest.fail(f"Ardour has ended:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)
        answer = heard.read_text()
        assert not answer.startswith("fault: "), answer
        return answer

    def press(self, key: str, window: str = f"{NAME} - Ardour$") -> None:
        """Press a key in the main window, or in another once it is there."""
        search = ("search", "--sync", "--onlyvisible", "--name", window)
        command = ("xdotool", *search, "windowfocus", "--sync", "key", key)
        env = {**os.environ, "DISPLAY": self._screen}
        subprocess.run(command, env=env, check=True, capture_output=True)

    def save(self) -> list[Region]:
        """Save the session, and read the regions on its tracks from there."""
        self.tell("Session:save_state ('', false, false, false, false, false)")
        return read_regions(self.session / f"{NAME}.ardour")


def read_regions(path: Path) -> list[Region]:
    """What lies on the tracks of a saved session, by track, place and layer."""
    root = ET.parse(path).getroot()
    files = path.parent / "interchange" / path.parent.name / "audiofiles"
    sources = {each.attrib["id"]: files / each.attrib["name"] for each in root.findall("./Sources/Source")}
    found = []
    for playlist in root.findall("./Playlists/Playlist"):
        for region in playlist.findall("./Region"):
            told = region.attrib
            found.append(
                Region(
                    playlist=playlist.attrib["name"],
                    name=told["name"],
                    position=_samples(
                        told["position"] if "position" in told else told["length"].split("@")[1]
                    ),
                    start=_samples(told["start"]),
                    length=_samples(told["length"].split("@")[0]),
                    layer=int(told["layering-index"]),
                    is_muted=told["muted"] == "1",
                    gain=float(told["scale-amplitude"]),
                    fade_in=_fade(region.find("FadeIn"), told["fade-in-active"]),
                    fade_out=_fade(region.find("FadeOut"), told["fade-out-active"]),
                    sources=tuple(
                        sources[told[f"source-{channel}"]] for channel in range(int(told["channels"]))
                    ),
                )
            )
    return sorted(found, key=lambda each: (each.playlist, each.position, each.layer))


def _fade(element: ET.Element | None, active: str) -> Fade:
    """Points stand on a line each; there are none where a fade is as Ardour makes it by default."""
    text = None if element is None else element.findtext("AutomationList/events")
    points = [line.split() for line in (text or "").splitlines()]
    if not points:
        return Fade(is_active=active == "1")
    levels = tuple(float(level) for _, level in points)
    return Fade(is_active=active == "1", length=_samples(points[-1][0]), levels=levels)


def _samples(text: str) -> int:
    """Audio time is counted in superclock ticks, 282240000 a second, with an a before them."""
    assert text.startswith("a"), text
    ticks = int(text[1:]) * RATE
    assert ticks % 282_240_000 == 0
    return ticks // 282_240_000


@contextmanager
def ardour_desk(
    folder: Path,
    session: Path,
    *,
    actions: Sequence[Path],
    hooks: Sequence[Path],
    parameters: Mapping[str, str],
) -> Iterator[ArdourDesk]:
    """Ardour with an empty stereo and mono track.

    Args:
        folder: an empty one, for settings.
        session: to be made.
        actions: scripts for the first slots, bound to ``KEYS`` in turn.
        hooks: scripts that run by themselves.
        parameters: what is asked for when a script is set: ``1_port`` of the first.
    """
    config, state = folder / "home" / ".config" / "ardour7", folder / "state"
    config.mkdir(parents=True)
    state.mkdir()
    hooks = [*hooks, OWN / "listen.lua"]
    env = {
        **os.environ,
        **{f"PARAMETER_{name}": value for name, value in parameters.items()},
        "HOME": str(folder / "home"),
        "SESSION": str(session),
        "NAME": NAME,
        "RATE": str(RATE),
        "STATE": str(state),
        "ACTIONS": ":".join(map(str, actions)),
        "HOOKS": ":".join(map(str, hooks)),
    }
    making = ["ardour7-lua", str(OWN / "make_session.lua")]
    subprocess.run(making, env=env, check=True, capture_output=True)
    _settle(config, state, hooks)
    log = folder / "ardour.log"
    with (
        _screen() as screen,
        log.open("wb") as output,
        subprocess.Popen(
            ["ardour", "-n", "-a", "-d", str(session / f"{NAME}.ardour")],
            env={**env, "DISPLAY": screen},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield ArdourDesk(session, screen, process, log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _settle(config: Path, state: Path, hooks: Sequence[Path]) -> None:
    """Settings as if somebody had been through the first start, the Script Manager and the key editor."""
    (config / ".a7").touch()
    (config / "config").write_text(_CONFIG)
    (config / "ui_scripts").write_bytes(_ui_scripts(state, hooks))
    bound = "".join(
        f'<Binding key="{_ardour_key(key)}" action="LuaAction/script-{slot}"/>'
        for slot, key in enumerate(KEYS, 1)
    )
    opening = '<Bindings name="Global">\n  <Press>'
    keys = _SHIPPED_KEYS.read_text()
    assert opening in keys
    (config / "ardour.keys").write_text(keys.replace(opening, opening + bound))


def _ardour_key(key: str) -> str:
    return key.replace("ctrl+", "Primary-").replace("shift+", "Tertiary-")


def _ui_scripts(state: Path, hooks: Sequence[Path]) -> bytes:
    """Loaded scripts, as Ardour keeps them from one start to the next."""
    root = ET.Element("UIScripts")
    action = ET.SubElement(root, "ActionScript", lua="Lua 5.3")
    action.text = base64.b64encode((state / "actions").read_bytes()).decode()
    callbacks = ET.SubElement(root, "ActionHooks")
    for number, path in enumerate(hooks):
        told = {"lua": "Lua 5.3", "id": str(900_000 + number), "name": path.stem, "signals": _TIMERS}
        callback = ET.SubElement(callbacks, "LuaCallback", told)
        callback.text = base64.b64encode((state / path.name).read_bytes()).decode()
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


@contextmanager
def _screen() -> Iterator[str]:
    """A screen of its own; returns its name."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL) as server:
        os.close(writing)
        try:
            with os.fdopen(reading) as stream:
                yield f":{stream.readline().strip()}"
        finally:
            server.terminate()
