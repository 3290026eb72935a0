"""What a sender wants rendered: a value made from a message, checked as far as that opens no file."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from audiosr_fx.errors import ParameterError
from hosts.looks import stat_file
from hosts.osc import Argument
from hosts.protocol import check_request_id
from hosts.roots import Roots
from hosts.spans import Span, span_from_dict

OUTPUT_FOLDER: Final = "restored"
MAX_CHANNEL_PATHS: Final = 32
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
    """A render that somebody asked for; whether its files are audio and have that region is another question.

    Attributes:
        request: the sender's word for it.
        sources: one file, or a mono file for each channel; they exist, and lie in a root.
        span: the region.
        preset: a preset's name; empty is the plain restore.
        options: what else was said.
    """

    request: str
    sources: tuple[Path, ...]
    span: Span
    preset: str = ""
    options: Options

    @property
    def digest(self) -> str:
        """The same for the same ask, whatever it is called and wherever replies go."""
        told = self.to_dict() | {"request": ""}
        told["options"] |= {"reply_port": 0, "notify": ""}
        del told["options"]["receipt"]  # as ledgers from before there was one have it
        if self.span.rate is None:  # as ledgers have it that told the samples of the file
            span = told.pop("span")
            told |= {"start": int(span["start"]), "stop": int(span["stop"])}
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
        return {
            "request": self.request,
            "sources": [str(path) for path in self.sources],
            "span": self.span.to_dict(),
            "preset": self.preset,
            "options": asdict(self.options),
        }


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
    if "span" in told:
        span = span_from_dict(told["span"])
    else:  # by a version that told the samples of the file
        span = Span(start=Fraction(told["start"]), stop=Fraction(told["stop"]), rate=None)
    return Ask(
        request=told["request"],
        sources=tuple(Path(path) for path in told["sources"]),
        span=span,
        preset=told["preset"],
        options=Options(**options),
    )


def make_ask(
    request: Argument,
    roots: Roots,
    root: Argument,
    paths: Sequence[Argument],
    span: Span,
    preset: Argument,
    options: Sequence[Argument],
) -> Ask:
    """Hold what a sender said against the files there are, without a look into any.

    Raises:
        MessageError: a request's word of another form.
        ParameterError: a path, preset or option that does not fit.
        AudioFormatError: what is no file, but a folder, a pipe or the like.
    """
    word = check_request_id(request)
    if not 1 <= len(paths) <= MAX_CHANNEL_PATHS:
        raise ParameterError(f"there are {len(paths)} paths; expected 1 to {MAX_CHANNEL_PATHS}")
    sources = tuple(roots.find(str(root), str(path)) for path in paths)
    for source in sources:
        stat_file(source)
    if preset and not _PRESET.fullmatch(str(preset)):
        raise ParameterError(f"preset is {preset!r:.80}; expected a name that presets lists")
    read = read_options(options)
    if read.mode == "file" and len(sources) > 1:
        raise ParameterError("mode is 'file'; expected region where each channel is a file of its own")
    return Ask(request=word, sources=sources, span=span, preset=str(preset), options=read)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ParameterError(f"{name} is {value!r:.40}; expected {', '.join(filter(None, choices))}")
