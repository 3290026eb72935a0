"""The card of a trained model: what it is, who may use it how, whose recordings it learned from, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audiosr_fx.training.data import Clip
from audiosr_fx.training.terms import kept_terms
from audiosr_fx.training.trained_on import TrainedOn, join_rows
from audiosr_fx.wording import printable

NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is written into a model file beside its weights; ``text`` holds all of it for people.

    ``attribution`` and ``trained_on`` are of the model it started from as well.
    """

    description: str
    licence: str
    attribution: str
    recipe_sha256: str
    trained_on: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """The model whose weights a run started from, and what its file says of itself."""

    name: str
    licence: str = ""
    card: str = ""
    attribution: str = ""
    trained_on: str = ""

    @property
    def licence_id(self) -> str:
        """The licence without what is said about it; empty where none is stated."""
        stated = self.licence.partition(",")[0].strip()
        return "" if stated.lower().startswith(NOT_STATED) else stated


def data_rows(clips: Iterable[Clip]) -> list[dict[str, Any]]:
    """Clips counted by origin, licence and author, the most seconds first; plain values."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for clip in clips:
        key = (clip.origin, clip.licence, clip.author)
        row = rows.setdefault(
            key,
            {"origin": key[0], "licence": key[1], "author": key[2], "kinds": [], "clips": 0, "seconds": 0.0},
        )
        row["clips"] += 1
        row["seconds"] += clip.seconds
        row["kinds"] = sorted({*row["kinds"], clip.kind})
    return sorted(rows.values(), key=lambda row: (-row["seconds"], row["origin"], row["author"]))


def write_card(
    name: str,
    records: Mapping[str, Mapping[str, Any]],
    *,
    parameters: int,
    licence: str = "",
    description: str = "",
    notes: str = "",
    ancestor: Ancestor | None = None,
) -> Card:
    """Put the card of a model together.

    Args:
        name: of the model.
        records: what each stage's checkpoint says of its run.
        parameters: how many the model has.
        licence: of the weights, as their maker states it; that of the ancestor where they state none.
        description: one line.
        notes: text of the maker's own, added at the end.
        ancestor: whose weights the run started from; None where it began with random ones.
    """
    trained_on = TrainedOn.of_records(records.values(), name)
    if ancestor:
        trained_on = trained_on.also(TrainedOn.from_text(ancestor.trained_on, ancestor.name))
    data = _all_data(records)
    credits = _credits(data)
    attribution = "\n".join(f"- {author} ({licence})" for author, licence in credits if author)
    terms = kept_terms(credits)
    hashes = {str(record["recipe_sha256"]) for record in records.values() if "recipe_sha256" in record}
    description = description or f"trained from recipe {_recipe_names(records)}"
    licence = licence or (ancestor.licence_id if ancestor else "") or NOT_STATED
    parts = [
        f"# {name}",
        description,
        f"Licence of the weights: {licence}.",
        *([f"They started from {ancestor.name}, whose licence is {_stated(ancestor)}."] if ancestor else []),
        f"{parameters / 1e6:.2f} M parameters, for audiosr_fx.",
        "## Training",
        _stage_table(records),
        *_figures(records),
        "## Data",
        _data_table(data) if data else "Not recorded.",
        *(["## Attribution", attribution] if attribution else []),
        *(["## Terms of these licences, to be passed on", terms] if terms else []),
        *(
            [f"## Started from {ancestor.name}, whose card says", ancestor.card or "Nothing."]
            if ancestor
            else []
        ),
        *(["## Notes", notes.strip()] if notes.strip() else []),
    ]
    return Card(
        description=description,
        licence=licence,
        attribution=_with_theirs(attribution, ancestor),
        recipe_sha256=", ".join(sorted(hashes)),
        trained_on=trained_on.to_text(),
        text="\n\n".join(parts) + "\n",
    )


def _with_theirs(attribution: str, ancestor: Ancestor | None) -> str:
    theirs = ancestor.attribution.splitlines() if ancestor else []
    return "\n".join(dict.fromkeys([*attribution.splitlines(), *theirs]))


def _stated(ancestor: Ancestor) -> str:
    return ancestor.licence_id or NOT_STATED


def _recipe_names(records: Mapping[str, Mapping[str, Any]]) -> str:
    names = {printable(str(record.get("recipe_name", "unknown"))) for record in records.values()}
    return " and ".join(sorted(names))


def _all_data(records: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of all stages."""
    return join_rows(row for record in records.values() for row in record.get("data", ()))


def _credits(data: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Authors and licences, each pair once."""
    return sorted({(_cell(row["author"]), _cell(row["licence"]) or NOT_STATED) for row in data})


def _stage_table(records: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| stage | recipe | SHA-256 of the recipe | steps |", "|---|---|---|---|"]
    for stage, record in records.items():
        name, sha256 = _cell(str(record.get("recipe_name", ""))), record.get("recipe_sha256", "")
        lines.append(f"| {stage} | {name} | {sha256} | {record['step']} |")
    return "\n".join(lines)


def _figures(records: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines = []
    for stage, record in records.items():
        figures = record.get("figures", {})
        if figures:
            text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
            lines.append(f"- {stage}: {text}")
    if not lines:
        return ["No validation figures."]
    return ["Figures on validation clips, which no stage was trained on (lower is better):", "\n".join(lines)]


def _data_table(data: Sequence[Mapping[str, Any]]) -> str:
    clips, minutes = sum(row["clips"] for row in data), sum(row["seconds"] for row in data) / 60.0
    lines = [
        f"{clips} clips, {minutes:.1f} minutes.\n",
        "| from | licence | whose | kinds | clips | minutes |",
        "|---|---|---|---|---|---|",
    ]
    for row in data:
        cells = [
            row["origin"] or "files of its maker's own",
            row["licence"] or NOT_STATED,
            row["author"] or NOT_STATED,
            ", ".join(row["kinds"]),
            str(row["clips"]),
            f"{row['seconds'] / 60.0:.1f}",
        ]
        lines.append("| " + " | ".join(_cell(cell.replace("|", "/")) for cell in cells) + " |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text of an index, or the name of a folder, on one line; bytes that are no UTF-8 cannot be written."""
    return printable(" ".join(text.split()))
