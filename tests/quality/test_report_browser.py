"""Mastering reports in a real Chromium: listening, keys, sorting, printing, and names that attack."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import Watched, open_chromium, wait_until
from mastered import HOSTILE_NAMES, dull, mastered_row, save

from audiosr_fx.quality.report import ReportRow, StemCheck, write_report

HOSTILE = "</title><script>window.hacked=1</script>"

pytestmark = pytest.mark.timeout(300)

Visit = Callable[..., Watched]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two restored files, one of them 6 dB louder, one that failed, and one that was skipped."""
    folder = tmp_path_factory.mktemp("album")
    first, second = mastered_row(folder, "one.wav"), mastered_row(folder, "two.wav", seed=1, gain=2.0)
    failed = ReportRow(source=folder / "gone.wav", output=None, error="gone.wav: no such file")
    skipped = replace(first, output=None, rendered=False, reason="full band: reaches 21.0 kHz already")
    check = StemCheck(null_dbfs=-112.5, crossover_hz=5760.0, stems=2, reason="Both stems are there.")
    page = folder / "report.html"
    write_report(page, [first, second, failed, skipped], title="Album", stem_check=check)
    return page


@pytest.fixture
def visit(browser: Any, album: Path) -> Iterator[Visit]:
    """Open a page from the disk; nothing may go wrong in it, and it may ask for nothing."""
    opened: list[Watched] = []

    def open_page(page: Path = album, **context: Any) -> Watched:
        watched = Watched(browser, **context)
        opened.append(watched)
        watched.page.goto(page.as_uri())
        watched.page.wait_for_selector("#main > *")
        return watched

    yield open_page
    for watched in opened:
        watched.close_and_check()


def cells(page: Any, column: int) -> Sequence[str]:
    texts: list[str] = page.locator(f".overview tbody tr > :nth-child({column})").all_text_contents()
    return texts


# --- what it says ---------------------------------------------------------------------------------


def test_the_overview_has_a_row_for_every_file(visit: Visit) -> None:
    page = visit().page
    assert page.title() == "Album"
    assert page.locator("#about").text_content().startswith("4 files · 2 restored · 1 skipped · 1 failed")
    assert cells(page, 2) == ["one.wav", "two.wav", "gone.wav", "one.wav"]
    assert cells(page, 3) == ["restored", "restored", "failed", "skipped"]
    assert page.locator(".file").count() == 4
    assert page.locator("#stems .figure").text_content().startswith("\N{MINUS SIGN}112.5 dBFS")


def test_a_card_shows_pictures_levels_checks_and_errors(visit: Visit) -> None:
    page = visit().page
    card = page.locator("#file-2")
    wait_until(page, "[...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    assert card.locator(".spectrogram img").count() == 2
    assert card.locator("svg .curve").count() == 2
    assert card.locator(".meters tbody tr").count() == 6
    assert (
        card.locator(".meters tbody tr").first.text_content().endswith("+6.6")
    )  # the gain, and the new band
    assert "Only the level changed" in card.locator(".facts .good").first.text_content()
    assert page.locator("#file-3 .error").first.text_content() == "gone.wav: no such file"
    assert page.locator("#file-4 .reason").text_content() == "full band: reaches 21.0 kHz already"


def test_columns_sort_by_click_and_by_key(visit: Visit) -> None:
    page = visit().page
    page.get_by_role("button", name="LUFS", exact=True).click()
    assert cells(page, 1) == ["1", "2", "3", "4"]
    page.get_by_role("button", name="LUFS", exact=True).click()
    assert cells(page, 1) == ["2", "1", "3", "4"]  # what is unknown stays last
    page.get_by_role("button", name="File").focus()
    page.keyboard.press("Enter")
    assert cells(page, 2) == ["gone.wav", "one.wav", "one.wav", "two.wav"]
    assert page.locator("th[aria-sort]").text_content() == "File"


# --- listening ------------------------------------------------------------------------------------


def test_keys_play_switch_and_reveal(visit: Visit) -> None:
    page = visit().page
    page.keyboard.press("Space")
    wait_until(page, "Blind.player.playing && Blind.player.position > 0.05")
    assert page.evaluate("Blind.active === Blind.decks[0]")
    page.keyboard.press("2")
    assert page.evaluate("Blind.player.selected") == "b"
    page.keyboard.press("x")
    assert page.evaluate("Blind.player.selected") == "a"
    assert page.locator(".known").count() == 0
    page.keyboard.press("r")
    assert sorted(page.locator("#file-1 .known").all_text_contents()) == ["after", "before"]
    page.keyboard.press("n")
    wait_until(page, "Blind.active === Blind.decks[1] && Blind.player.playing")
    page.keyboard.press("Space")
    assert page.evaluate("Blind.player.playing") is False


def test_clicks_play_and_switch_and_only_one_file_is_heard(visit: Visit) -> None:
    page = visit().page
    page.locator("#file-2 .stimulus").nth(1).click()
    wait_until(page, "Blind.active === Blind.decks[1] && Blind.player.playing")
    assert page.evaluate("Blind.player.selected") == "b"
    page.locator("#file-1 .aa-play").click()
    wait_until(page, "Blind.active === Blind.decks[0] && Blind.player.playing")
    assert page.locator(".aa-transport").count() == 1
    assert page.locator("#file-2 [aria-pressed=true]").count() == 0
    page.locator("#file-1 .aa-play").click()
    assert page.evaluate("Blind.player.playing") is False


def test_letters_stand_for_what_the_page_says_they_do(visit: Visit) -> None:
    page = visit().page
    page.evaluate("Blind.decks[0].open()")
    wait_until(page, "Blind.player.stimuli.length === 2")
    for _ in range(12):  # drawn anew every second time
        page.keyboard.press("r")
        wrong = page.evaluate(
            """async () => {
                const deck = Blind.decks[0];
                for (const { id, buffer } of Blind.player.stimuli) {
                    const truth = await AlignedAudio.decode(Blind.context, deck.excerpt[deck.side(id)]);
                    const [found, wanted] = [buffer.getChannelData(0), truth.getChannelData(0)];
                    if (found.some((sample, i) => sample !== wanted[i])) return id;
                }
                return null;
            }"""
        )
        assert wrong is None


def test_the_order_is_drawn_by_chance(visit: Visit) -> None:
    counts = {True: 0, False: 0}
    page = visit().page
    for swapped in page.evaluate(
        "Array.from({ length: 400 }, () => new Blind.Deck(Report.report.files[0], []).isSwapped)"
    ):
        counts[swapped] += 1
    assert min(counts.values()) > 140  # six standard deviations of 10 from 200


def test_both_sides_are_equally_loud_in_step_and_switch_without_a_gap(visit: Visit) -> None:
    """The graph that plays is rendered: one second, switched in the middle and back."""
    loudness, holes = visit().page.evaluate(
        """async () => {
            const { frames, before, after } = Report.report.files[1].excerpt;
            const context = new OfflineAudioContext(2, frames, 48000);
            const player = new AlignedAudio.Player(context);
            const load = (block) => AlignedAudio.decode(context, block, frames);
            const stimuli = [{ id: "a", buffer: await load(before) }, { id: "b", buffer: await load(after) }];
            player.load(stimuli);
            player.play();
            [[0.3, "b"], [0.6, "a"]].forEach(([t, id]) =>
                context.suspend(t).then(() => { player.select(id); context.resume(); }));
            const heard = (await context.startRendering()).getChannelData(0);
            const power = (samples) => samples.reduce((sum, x) => sum + x * x, 0) / samples.length;
            const rms = (samples) => 10 * Math.log10(power(samples));
            let holes = 0;
            for (let i = 2400; i < heard.length - 480; i += 240)
                if (rms(heard.slice(i, i + 240)) < rms(heard.slice(2400)) - 12) holes += 1;
            return [stimuli.map(({ buffer }) => rms(buffer.getChannelData(0))), holes];
        }"""
    )
    assert loudness[0] == pytest.approx(loudness[1], abs=0.5)  # plain power; K weighting hears the new band
    assert holes == 0


def test_the_gains_of_the_two_sides_match_their_loudness(visit: Visit) -> None:
    files = visit().page.evaluate("Report.report.files.filter((file) => file.excerpt)")
    for file in files:
        sides = [file[side]["levels"]["integrated_lufs"] for side in ("before", "after")]
        matched = [level + gain for level, gain in zip(sides, file["excerpt"]["gains_db"], strict=True)]
        assert matched[0] == pytest.approx(matched[1], abs=0.1)


def test_audio_that_cannot_be_decoded_is_one_clear_line(visit: Visit) -> None:
    page = visit().page
    page.evaluate("() => { Blind.context.decodeAudioData = () => Promise.reject(new Error('no codec')); }")
    page.keyboard.press("Space")
    page.wait_for_selector("#file-1 .hint:not(:empty)")
    assert "no codec" in page.locator("#file-1 .hint").text_content()


# --- everywhere -----------------------------------------------------------------------------------


def test_names_that_attack_are_only_text(visit: Visit, tmp_path: Path) -> None:
    path = save(tmp_path / "plain.wav", dull(0.5))
    rows = [
        replace(
            ReportRow(source=tmp_path / name, output=path, error=name, reason=name, preset=name),
            decisions=(name,),
        )
        for name in HOSTILE_NAMES
    ]
    report = tmp_path / "report.html"
    write_report(report, rows, title=HOSTILE)
    page = visit(report, viewport={"width": 400, "height": 800}).page
    assert page.title() == HOSTILE
    assert page.locator("h1").text_content() == HOSTILE
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
    shown = page.locator(".file-name bdi").all_text_contents()
    assert shown[:2] == list(HOSTILE_NAMES[:2])
    assert shown[2:4] == [r"two\nlines.wav", r"\u202egnp.wav"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_empty_report_says_so(visit: Visit, tmp_path: Path) -> None:
    write_report(tmp_path / "empty.html", [], title="Nothing")
    page = visit(tmp_path / "empty.html").page
    assert "no files" in page.locator("#main").text_content()
    page.keyboard.press("Space")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window(visit: Visit, width: int) -> None:
    page = visit(viewport={"width": width, "height": 800}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(visit: Visit) -> None:
    page = visit().page
    page.keyboard.press("Space")
    page.wait_for_selector(".aa-transport")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, a, img, [role=slider], [role=region]")]
            .filter((node) => !node.getAttribute("aria-label") && !node.getAttribute("alt"))
            .filter((node) => !node.textContent.trim() && !node.labels?.length)
            .map((node) => node.outerHTML)"""
    )
    assert unnamed == []


def test_colours_follow_the_system_and_print_is_always_light(visit: Visit) -> None:
    page = visit(color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(ground) == "rgb(16, 18, 23)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert page.locator(".deck").first.is_hidden()
    assert page.locator(".meters").first.is_visible()
    assert page.pdf().startswith(b"%PDF")
