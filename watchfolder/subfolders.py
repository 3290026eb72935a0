"""Which preset rules a sub-folder: one named after a preset, or a small file in it that says so.

The nearest folder above a stem decides, in whatever case its name is written. A file named
``.audiosr_fx.toml`` says ``preset``, ``model`` or both, and goes before the folder's own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.jobs.names import folded
from audiosr_fx.toml_tables import read_table
from audiosr_fx.toml_text import faults_of, parse_toml, read_stream
from audiosr_fx.wording import did_you_mean, printable
from watchfolder.snapshot import open_file_within

RULE_FILE: Final = ".audiosr_fx.toml"
MAX_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How the stems of one folder are rendered; empty is what stands above it."""

    preset: str = ""
    model: str = ""


def find_rule(root: int, folder: PurePosixPath, base: Rule, presets: Mapping[str, object]) -> Rule:
    """The rule for stems that lie in a sub-folder.

    Args:
        root: descriptor of the watched folder.
        folder: relative to it; ``.`` is itself.
        base: what the settings of the watched folder say.
        presets: all that are known, by name.

    Raises:
        PresetError: a rule file that cannot be read, or that names what is not there.
    """
    preset, model = "", ""
    for place in _upwards(folder):
        rule = _read_rule(root, place, presets)
        preset = preset or rule.preset
        model = model or rule.model
        preset = preset or _preset_named(place.name, presets)
    return Rule(preset=preset or base.preset, model=model or base.model)


def _preset_named(name: str, presets: Mapping[str, object]) -> str:
    """The preset that a folder is named after, in whatever case; empty where it could be two, or is none."""
    if name in presets:
        return name
    alike = [preset for preset in presets if folded(preset) == folded(name)]
    return alike[0] if len(alike) == 1 else ""


def _upwards(folder: PurePosixPath) -> Iterator[PurePosixPath]:
    """A folder and those above it, the watched one last."""
    yield folder
    yield from folder.parents


def _read_rule(root: int, folder: PurePosixPath, presets: Mapping[str, object]) -> Rule:
    path = str(folder / RULE_FILE)
    name = printable(path)
    try:
        with open_file_within(root, path) as stream:
            text = read_stream(stream, name, "rule", MAX_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return Rule()
    except OSError as cause:
        raise PresetError(f"{name}: cannot be read ({cause.strerror or cause})") from cause
    table = parse_toml(text, name)
    with faults_of(name):
        return _rule(table, presets)


def _rule(table: Mapping[str, Any], presets: Mapping[str, object]) -> Rule:
    rule = read_table(Rule, table)
    for key, value in asdict(rule).items():
        if (key in table and not value) or "/" in value:
            raise ParameterError(f"{key} is {value!r}; expected a name")
    if rule.preset and rule.preset not in presets:
        hint = did_you_mean(rule.preset, presets)
        raise ParameterError(f"preset is {rule.preset!r}{hint}; there are: {', '.join(presets)}")
    return rule
