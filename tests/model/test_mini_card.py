"""What README, ATTRIBUTION.md and TRAINING.md say of mini's recordings is what its card says."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import audiosr_fx
from audiosr_fx.model.catalogue import read_card
from audiosr_fx.training.terms import licence_text

PACKAGE = Path(audiosr_fx.__file__).parent
README = " ".join((PACKAGE.parent / "README.md").read_text("utf-8").split())
ATTRIBUTION = " ".join((PACKAGE / "model/weights/ATTRIBUTION.md").read_text("utf-8").split())
TRAINING = " ".join((PACKAGE / "model/weights/TRAINING.md").read_text("utf-8").split())
FAMILIES = ("GPL", "CC0", "Public domain", "MIT", "BSD", "CC-BY", "Apache")


def minutes_by_family() -> Counter[str]:
    """Minutes of the card's table by licence; its lines are rounded to a tenth."""
    rows = [line.strip("| ").split(" | ") for line in read_card("mini").card.splitlines()]
    found: Counter[str] = Counter()
    for *_, licence, _, _, clips, minutes in (row for row in rows if len(row) == 6 and row[4].isdigit()):
        assert int(clips) > 0
        found[next(family for family in FAMILIES if licence.startswith(family))] += float(minutes)
    return found


def test_every_licence_of_the_recordings_is_named_with_its_minutes() -> None:
    minutes = minutes_by_family()
    free = minutes["CC0"] + minutes["Public domain"]
    said = re.search(
        r"(\d+) minutes under the GNU .*?, (\d+) CC0 or .*?, (\d+) MIT,(?: (\d+) BSD.*?,)? and (\d+) CC BY",
        ATTRIBUTION,
    )
    assert said is not None
    figures = [float(figure) for figure in said.groups("0")]
    counted = [minutes["GPL"], free, minutes["MIT"], minutes["BSD"], minutes["CC-BY"]]
    assert figures == pytest.approx(counted, abs=0.7)
    credit = README.partition("`mini` learned from recordings")[2].partition("`audiosr-fx models show mini`")[
        0
    ]
    families = ["GPL", "CC0", "public domain", "MIT", "CC BY", *(["BSD"] if minutes["BSD"] else [])]
    assert all(family in credit for family in families)
    assert "Apache" not in credit, "clips of that licence only validated it"


def test_licences_that_ask_for_their_words_have_them() -> None:
    for family, licence in (("MIT", "MIT"), ("BSD", "BSD-2-Clause")):
        terms = " ".join(licence_text(licence).split()).partition(" THIS SOFTWARE IS")[0]
        assert not minutes_by_family()[family] or terms in ATTRIBUTION.replace("> ", "")


def test_clips_and_minutes_are_those_of_the_card() -> None:
    counted = re.search(r"(\d+) clips, ([\d.]+) minutes\.", read_card("mini").card)
    assert counted is not None
    clips, minutes = counted.groups()
    assert f"{clips} clips and {minutes} minutes" in TRAINING
    assert f"trained and validated on {minutes} minutes" in ATTRIBUTION
    assert f"({minutes} minutes in all)" in README
