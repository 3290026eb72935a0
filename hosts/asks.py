"""What a sender wants rendered: a checked value, made from a message, and the request it becomes."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import MessageError, ParameterError
from audiosr_fx.files import AudioInfo
from audiosr_fx.settings import end_slack
from audiosr_fx.wording import shown
from hosts.osc import Argument
from hosts.protocol import check_request_id
from hosts.roots import Roots

OUTPUT_FOLDER: Final = "restored"
MAX_CHANNEL_PATHS: Final = 32
_EXACT_IN_F: Final = 1 << 24
_NUMBER: Final = re.compile(r"\d{1,12}(\.\d{1,18})?", re.ASCII)
_PRESET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_KEY: Final = re.compile(r"[A-Za-z0-9_.]{1,80}", re.ASCII)
_ADDRESS: Final = re.compile(r"(/[A-Za-z0-9_.-]+)+( .{0,200})?", re.ASCII)
_NAMES_A_FILE: Final = re.compile(r"[/\\]|\.(toml|safetensors|vst3|vstpreset|bin|ckpt)$", re.IGNORECASE)
MODES: Final = ("region", "file")
FORMATS: Final = ("wav", "aiff", "flac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What may stand behind a request as KEY=VALUE.

    Attributes:
        mode: ``region`` gives the region with faded edges; ``file`` the whole file with only it changed.
        format: ``wav``, ``aiff`` or ``flac``; empty is WAV, and for a whole file its own.
        bits: ``16``, ``24``, ``32``; ``auto`` keeps float and takes 24 otherwise.
        reply_port: of the sender's machine, for replies; 0 is where the message came from.
        notify: an address, and one text behind a space, that is sent there as well when it has ended.
        receipt: ``yes`` leaves the newest reply as a file, for who cannot listen; see ``hosts.receipts``.
        model: name of a model; empty leaves it to the preset.
        seed: None leaves it to the preset.
        overrides: keys of the preset, and their values as a person types them.
    """

    mode: str = "region"
    format: str = ""
    bits: str = "auto"
    reply_port: int = 0
    notify: str = ""
    receipt: str = ""
    model: str = ""
    seed: int | None = None
    overrides: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _choice("mode", self.mode, MODES)
        _choice("format", self.format, ("", *FORMATS))
        _choice("bits", self.bits, ("auto", "16", "24", "32"))
        _choice("receipt", self.receipt, ("", "yes"))
        if not 0 <= self.reply_port <= 65535:
            raise ParameterError(f"reply_port is {self.reply_port}; expected 1 to 65535")
        if self.notify and not _ADDRESS.fullmatch(self.notify):
            raise ParameterError(f"notify is {self.notify!r:.80}; expected an OSC address, such as /done")


def split_options(text: str) -> list[str]:
    """Options that stand in one text, with a space between them; double quotes hold one together.

    Raises:
        ParameterError: a quote that is not closed.
    """
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError as cause:
        raise ParameterError(f"options are {text!r:.80}; expected every quote to be closed") from cause


def read_options(texts: Sequence[Argument]) -> Options:
    """Options from KEY=VALUE texts.

    Raises:
        ParameterError: not of that form, twice, or a value that names a file.
    """
    told: dict[str, str] = {}
    for text in texts:
        key, equals, value = str(text).partition("=")
        key = key.strip()
        if not equals or not _KEY.fullmatch(key) or not value.isprintable():
            raise ParameterError(f"an option is {text!r:.80}; expected KEY=VALUE, such as seed=7")
        if key in told:
            raise ParameterError(f"{key} is given twice")
        if key != "notify" and _NAMES_A_FILE.search(value):
            raise ParameterError(f"{key} is {value!r:.80}; expected no name of a file from here")
        told[key] = value.strip()
    own = {one.name for one in fields(Options)} - {"overrides"}
    values: dict[str, Any] = {key: value for key, value in told.items() if key in own}
    for key in ("seed", "reply_port"):
        if key in values:
            if not re.fullmatch(r"\d{1,10}", values[key], re.ASCII):
                raise ParameterError(f"{key} is {values[key]!r:.80}; expected a whole number")
            values[key] = int(values[key])
    return Options(**values, overrides=tuple((key, told[key]) for key in told if key not in own))


def reply_port_of(arguments: Sequence[Argument]) -> int:
    """The port that a message wants replies at, also where nothing else in it can be read; 0 where none."""
    for argument in reversed(arguments):
        found = (
            re.search(r"(?:^|\s)reply_port=(\d{1,5})(?:\s|$)", argument)
            if isinstance(argument, str)
            else None
        )
        if found and int(found[1]) <= 65535:
            return int(found[1])
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A render that somebody asked for.

    Attributes:
        request: the sender's word for it.
        sources: one file, or a mono file for each channel; they exist, and lie in a root.
        start: first sample of the region.
        stop: where it ends, excluded.
        preset: a preset's name; empty is the plain restore.
        options: what else was said.
    """

    request: str
    sources: tuple[Path, ...]
    start: int
    stop: int
    preset: str = ""
    options: Options

    @property
    def digest(self) -> str:
        """The same for the same ask, whatever it is called and wherever replies go."""
        told = self.to_dict() | {"request": ""}
        told["options"] = told["options"] | {"reply_port": 0, "notify": ""}
        del told["options"]["receipt"]  # as ledgers from before there was one have it
        return hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()

    @property
    def output_name(self) -> str:
        """Of no other request: hosts dislike two sources of one name."""
        tag = hashlib.sha256(f"{self.request} {self.digest}".encode()).hexdigest()[:8]
        source = self.sources[0]
        plain = "".join(c if c.isprintable() and c != "\\" else "_" for c in _common_stem(self.sources))
        stem = plain.encode("utf-8", "replace")[:120].decode("utf-8", "ignore")
        own = {".flac": "flac", ".aif": "aiff", ".aiff": "aiff"}.get(source.suffix.lower(), "wav")
        suffix = self.options.format or (own if self.options.mode == "file" else "wav")
        return f"{stem}-{tag}.{suffix}"

    def folder(self, out: Path | None) -> Path:
        """Where the output goes: a folder of its own beside the source, or the one of the server."""
        return self.sources[0].parent / OUTPUT_FOLDER if out is None else out

    def to_dict(self) -> dict[str, Any]:
        """As JSON can say it; ``ask_from_dict`` reads it back."""
        return asdict(self) | {"sources": [str(path) for path in self.sources]}


def _common_stem(paths: Sequence[Path]) -> str:
    """A name for what several files hold: ``take`` for ``take%L`` and ``take%R``."""
    stems = sorted(path.stem for path in paths)
    if len(stems) == 1:
        return stems[0]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(stems[0], stems[-1], strict=False))
    return "".join(one for one, _ in same).rstrip("%-_. ") or paths[0].stem


def ask_from_dict(told: Mapping[str, Any]) -> Ask:
    """Read back what ``Ask.to_dict`` said, in this program's own store."""
    options = dict(told["options"])
    options["overrides"] = tuple((key, value) for key, value in options["overrides"])
    return Ask(
        **{
            **told,
            "sources": tuple(Path(path) for path in told["sources"]),
            "options": Options(**options),
        }
    )


def make_ask(
    request: Argument,
    roots: Roots,
    root: Argument,
    paths: Sequence[Argument],
    span: Span,
    preset: Argument,
    options: Sequence[Argument],
    look: Callable[[Path], AudioInfo],
) -> Ask:
    """Hold what a sender said against the files there are, whose headers ``look`` reads.

    Raises:
        MessageError: a request's word, or numbers, of another form.
        ParameterError: a path, region, preset or option that does not fit.
        AudioFormatError: a file that is no audio.
    """
    word = check_request_id(request)
    if not 1 <= len(paths) <= MAX_CHANNEL_PATHS:
        raise ParameterError(f"there are {len(paths)} paths; expected 1 to {MAX_CHANNEL_PATHS}")
    sources = tuple(roots.find(str(root), str(path)) for path in paths)
    infos = [look(source) for source in sources]
    if len(infos) > 1:
        _check_channels(infos)
    start, stop = span.within(infos[0])
    if preset and not _PRESET.fullmatch(str(preset)):
        raise ParameterError(f"preset is {preset!r:.80}; expected a name that presets lists")
    read = read_options(options)
    if read.mode == "file" and len(sources) > 1:
        raise ParameterError("mode is 'file'; expected region where each channel is a file of its own")
    return Ask(request=word, sources=sources, start=start, stop=stop, preset=str(preset), options=read)


@dataclass(frozen=True, slots=True)
class Span:
    """Where a region lies, as a sender says it: samples of a rate, or seconds where the rate is 0.

    Attributes:
        start, length: a number, or one as text; length 0 is up to the end.
        rate: in Hz.
        types: the OSC types of start and length.
    """

    start: Argument | Fraction
    length: Argument | Fraction
    rate: Argument
    types: str = "ss"

    def within(self, info: AudioInfo) -> tuple[int, int]:
        """First sample and end of it in a file.

        Raises:
            MessageError: numbers that are none, or not exact.
            ParameterError: it reaches beyond the file.
        """
        rate = _rate(self.rate)
        first = _exact("start", self.start, self.types[0], rate)
        length = _exact("length", self.length, self.types[1], rate)
        scale = Fraction(info.sample_rate, rate or 1)
        start = round(first * scale)
        stop = round((first + length) * scale) if length else info.frames
        if info.frames < stop <= info.frames + self._slack(rate, info.sample_rate):
            stop = info.frames
        if not 0 <= start < stop <= info.frames:
            raise ParameterError(
                f"the region is {start} to {stop}; {shown(info.path)} has {info.frames} samples"
                f" at {info.sample_rate} Hz"
            )
        return start, stop

    @staticmethod
    def _slack(rate: int, sample_rate: int) -> int:
        """Samples by which rounding takes the end of a file beyond itself."""
        if rate == 0:
            return end_slack(sample_rate)
        return 0 if rate == sample_rate else 1


def _rate(rate: Argument) -> int:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate != int(rate):
        raise MessageError(f"rate is {rate!r:.40}; expected whole Hz, or 0")
    if rate != 0 and not 1_000 <= rate <= 768_000:
        raise MessageError(f"rate is {rate!r:.40}; expected 1000 to 768000 Hz, or 0 for seconds")
    return int(rate)


def _exact(name: str, value: Argument | Fraction, tag: str, rate: int) -> Fraction:
    """A position without rounding."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value.strip()):
            raise MessageError(f"{name} is {value!r:.40}; expected a number such as 12.5")
        value = value.strip()
    elif isinstance(value, bool) or not isinstance(value, (int, float, Fraction)):
        raise MessageError(f"{name} is {value!r:.40}; expected a number")
    exact = Fraction(value)
    if rate and exact.denominator != 1:
        raise MessageError(f"{name} is {value}; expected whole samples, or seconds with rate 0")
    if tag == "f" and (not rate or abs(exact) > _EXACT_IN_F) and exact:
        raise MessageError(f"{name} is a 32-bit float, which is not exact; send i, h, d or text")
    if not 0 <= exact < 1 << 48:
        raise MessageError(f"{name} is {value}; expected 0 or more")
    return exact


def with_seed(ask: Ask, seed: int, request: str) -> Ask:
    """The same once more, with another seed and under another word."""
    return replace(ask, request=request, options=replace(ask.options, seed=seed))


def _check_channels(infos: Sequence[AudioInfo]) -> None:
    first = infos[0]
    for info in infos:
        if info.channels != 1:
            raise ParameterError(f"{shown(info.path)}: has {info.channels} channels; expected a mono file")
        if (info.sample_rate, info.frames) != (first.sample_rate, first.frames):
            raise ParameterError(
                f"{shown(info.path)}: has {info.frames} samples at {info.sample_rate} Hz, but"
                f" {shown(first.path)} has {first.frames} at {first.sample_rate} Hz"
            )


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ParameterError(f"{name} is {value!r:.40}; expected {', '.join(filter(None, choices))}")
