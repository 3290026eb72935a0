"""Listening tests in a real Chromium: playing, switching, keys, a whole run, and names that attack."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from chromium import Watched, open_chromium, wait_until
from listening import make_systems, noise, save
from typer.testing import CliRunner

from audiosr_fx.cli import app
from audiosr_fx.quality.embed import EmbeddedFormat
from audiosr_fx.quality.listen import ListenSettings, Mode, build_test

HOSTILE_SYSTEM = "<img src=x onerror=window.hacked=1>"
HOSTILE_ITEM = "'\"><svg onload=window.hacked=1>"
HOSTILE_TITLE = "</title><script>window.hacked=1</script>"
WORTH = {"reference": 100, "lowpass:3500": 15, "plain": 42, "fancy": 77}

pytestmark = pytest.mark.timeout(300)

Visit = Callable[..., Watched]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chromium() as chromium:
        yield chromium


@pytest.fixture
def visit(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    """Build a test of two systems and two items, and open its page from the disk."""
    opened: list[Watched] = []

    def build_and_open(
        folder: Path | None = None,
        before: str | None = None,
        context: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Watched:
        folder = folder or make_systems(tmp_path / "systems")
        page = tmp_path / "test.html"
        page.write_text(build_test(folder, ListenSettings(**settings)).html, encoding="utf-8")
        watched = Watched(browser, accept_downloads=True, **(context or {}))
        opened.append(watched)
        if before is not None:
            watched.page.add_init_script(before)
        watched.page.goto(page.as_uri())
        watched.page.wait_for_selector(".aa-transport, section[role=alert]")
        return watched

    yield build_and_open
    for watched in opened:
        watched.close_and_check()


def begin(watched: Watched, participant: str = "P 1") -> Any:
    page = watched.page
    page.fill("#participant", participant)
    page.keyboard.press("Enter")
    page.wait_for_selector(".lane")
    return page


def at_trial(page: Any, number: int) -> None:
    wait_until(page, f"document.body.dataset.screen === 'trial' && Listening.state.at === {number - 1}")


def save_and_read(page: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    with page.expect_download() as download:
        page.click("#download")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return path, value


def order_of(page: Any) -> list[str]:
    """Which system stands where in the trial on the screen."""
    names: list[str] = page.evaluate(
        "Listening.state.trials[Listening.state.at].systems.map((i) => Listening.test.systems[i].name)"
    )
    return names


def summarise(path: Path) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["listen", "--summary", "--json", str(path)])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- playing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", list(EmbeddedFormat))
def test_every_recording_decodes_to_its_length(visit: Visit, format: EmbeddedFormat) -> None:
    lengths = visit(format=format).page.evaluate(
        """async () => {
            const context = new OfflineAudioContext(1, 1, 48000);
            const found = [];
            for (const item of Listening.test.items)
                for (const stimulus of item.stimuli)
                    found.push((await AlignedAudio.decode(context, stimulus.audio, item.frames)).length);
            return found;
        }"""
    )
    assert lengths == [28_800] * 8


PLAYER = """
    const rate = 48000;
    const context = new OfflineAudioContext(1, rate, rate);
    const buffer = (value) => {
        const made = new AudioBuffer({ length: rate / 2, sampleRate: rate, numberOfChannels: 1 });
        made.copyToChannel(Float32Array.from({ length: rate / 2 }, (_, i) => value(i)), 0);
        return made;
    };
    const player = new AlignedAudio.Player(context);
    const at = (seconds, action) => context.suspend(seconds).then(() => { action(); context.resume(); });
    const rendered = async () => Array.from((await context.startRendering()).getChannelData(0));
    const started = 480; // samples from play to the first one heard
    const ramp = (i) => 0.1 + i / rate;
"""


def test_switching_keeps_the_position_to_the_sample(visit: Visit) -> None:
    heard = visit().page.evaluate(
        f"""async () => {{ {PLAYER}
            const down = (i) => -ramp(i);
            player.load([{{ id: "a", buffer: buffer(ramp) }}, {{ id: "b", buffer: buffer(down) }}]);
            player.play();
            at(0.2, () => player.select("b"));
            at(0.4, () => player.select("a"));
            return (await rendered()).slice(0, started + rate / 2);
        }}"""
    )
    for moment, sign in ((0.15, 1), (0.3, -1), (0.35, -1), (0.48, 1)):
        sample = round(moment * 48_000)
        assert heard[sample] == pytest.approx(sign * (0.1 + (sample - 480) / 48_000), abs=1e-6)


def test_switching_does_not_click(visit: Visit) -> None:
    same, opposite = visit().page.evaluate(
        f"""async () => {{
            const run = async (second) => {{ {PLAYER}
                const [a, b] = [buffer(() => 0.5), buffer(() => second)];
                player.load([{{ id: "a", buffer: a }}, {{ id: "b", buffer: b }}]);
                player.play();
                [0.1, 0.103, 0.2, 0.21, 0.3].forEach((t, i) => at(t, () => player.select("ba"[i % 2])));
                return (await rendered()).slice(started + 480, started + rate * 0.45);
            }};
            return [await run(0.5), await run(-0.5)];
        }}"""
    )
    assert max(abs(sample - 0.5) for sample in same) < 1e-6  # gains add up to one all the time
    assert min(opposite) < -0.49
    steps = [abs(after - before) for before, after in pairwise(opposite)]
    assert max(steps) < 0.006  # a hard cut would be 1; 4 ms give 1 / 192


def test_a_loop_repeats_its_section_without_a_step(visit: Visit) -> None:
    heard = visit().page.evaluate(
        f"""async () => {{ {PLAYER}
            player.load([{{ id: "a", buffer: buffer(() => 0.5) }}]);
            player.play();
            return rendered();
        }}"""
    )
    steady = heard[480 + 1000 :]
    steps = [abs(after - before) for before, after in pairwise(steady)]
    assert min(steady) < 0.01  # it fades out and in where the loop closes
    assert max(steps) < 0.5 * math.pi / 2 / 288 + 1e-6  # the steepest of a raised cosine over 6 ms
    assert heard[480 + 24_000 + 1000 :] == pytest.approx(steady[: 24_000 - 480 - 1000], abs=1e-6)


def test_pausing_and_going_on_loses_nothing(visit: Visit) -> None:
    heard, paused = visit().page.evaluate(
        f"""async () => {{ {PLAYER}
            let paused = null;
            player.load([{{ id: "a", buffer: buffer(ramp) }}]);
            player.play();
            at(0.2, () => {{ player.pause(); paused = player.position; }});
            at(0.5, () => player.play());
            return [await rendered(), paused];
        }}"""
    )
    assert paused == pytest.approx(0.2 - 0.01, abs=0.003)  # suspended at blocks of 128 samples
    assert max(map(abs, heard[round(0.22 * 48_000) : round(0.5 * 48_000)])) == 0.0
    later = round(0.6 * 48_000)
    assert heard[later] == pytest.approx(0.1 + paused + 0.09, abs=0.003)


def test_the_order_is_a_fair_shuffle_that_hangs_on_seed_and_participant(visit: Visit) -> None:
    counts, same, other = visit().page.evaluate(
        """() => {
            const order = (seed, who) => Session.plan({ ...Listening.test, seed }, who);
            const counts = [0, 1, 2, 3].map(() => [0, 0, 0, 0]);
            for (let i = 0; i < 4000; i += 1)
                for (const trial of order(0, `P${i}`))
                    trial.systems.forEach((system, place) => (counts[system][place] += 1));
            const text = (seed, who) => JSON.stringify(order(seed, who));
            return [counts, text(0, "P1") === text(0, "P1"), text(0, "P1") === text(1, "P1")];
        }"""
    )
    assert same is True
    assert other is False
    for system in counts:
        assert system == pytest.approx([2000] * 4, abs=170)  # 4.4 standard deviations of 38.7


# --- keys and screens -----------------------------------------------------------------------------


def test_keys_play_switch_rate_and_go_on(visit: Visit) -> None:
    page = begin(visit())
    assert page.evaluate("[Listening.player.playing, Listening.player.selected]") == [False, "reference"]
    page.keyboard.press("Space")
    wait_until(page, "Listening.player.playing && Listening.player.position > 0.05")
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Listening.player.selected") == 2
    for key in ("PageUp", "PageUp", "ArrowUp", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
    assert page.evaluate("Listening.state.trials[0].ratings") == [None, None, 21, None]
    slider = page.locator(".slider").nth(2)
    assert slider.get_attribute("aria-valuetext") == "21, Poor"
    page.keyboard.press("Home")
    page.keyboard.press("1")
    page.keyboard.press("End")
    assert page.evaluate("Listening.state.trials[0].ratings") == [100, None, 0, None]
    page.keyboard.press("0")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("Listening.player.selected") == "reference"
    page.keyboard.press("Enter")
    assert page.locator(".footer .hint").text_content() == "Not heard yet: 4"
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    assert page.locator(".footer .hint").text_content() == "Not rated yet: 2, 4"
    page.keyboard.press("Space")
    assert page.evaluate("Listening.player.playing") is False
    assert page.evaluate("Listening.state.at") == 0


def test_keys_mean_the_page_after_a_click_and_the_button_after_tab(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit(make_systems(tmp_path / "pair", ("left", "right")), mode=Mode.AB))
    for place in (0, 1):
        page.locator(".stimulus").nth(place).click()
    assert page.evaluate("Listening.player.playing") is True
    page.keyboard.press("Space")
    assert page.evaluate("Listening.player.playing") is False
    page.locator(".answer").nth(0).click()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.evaluate("Listening.state.trials[0].choice") == "b"
    page.locator(".answer").nth(1).click()
    page.keyboard.press("Enter")
    at_trial(page, 2)
    assert page.evaluate("Listening.state.trials[0].choice") == "none"


def test_loops_are_set_by_keys_and_by_dragging(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit(make_systems(tmp_path / "long", seconds=2.0)))
    page.evaluate("Listening.player.seek(0.5)")
    page.keyboard.press("[")
    assert page.evaluate("Listening.player.loop") == [0.5, 2]
    page.keyboard.press("l")
    assert page.evaluate("Listening.player.isSection") is False
    box = page.locator(".aa-timeline").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 10, steps=3)
    page.mouse.up()
    assert page.evaluate("Listening.player.loop") == pytest.approx([0.5, 1.5], abs=0.02)
    assert page.evaluate("Listening.player.position") == pytest.approx(0.5, abs=0.02)


def test_sliders_can_be_dragged(visit: Visit) -> None:
    page = begin(visit())
    box = page.locator(".slider").nth(1).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.25)
    assert page.evaluate("Listening.state.trials[0].ratings[1]") == pytest.approx(75, abs=1)
    assert page.evaluate("Listening.player.selected") == 1


def test_a_name_is_asked_for(visit: Visit) -> None:
    page = visit().page
    page.click("button.primary")
    assert "Please enter a name" in page.locator("#hint").text_content()


def test_every_control_has_a_name_and_can_be_reached(visit: Visit) -> None:
    page = begin(visit())
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, [role=slider]")]
            .filter((node) => !node.getAttribute("aria-label") && !node.textContent.trim())
            .filter((node) => !node.labels?.length)
            .map((node) => node.outerHTML)"""
    )
    assert unnamed == []
    assert page.evaluate(
        "[...document.querySelectorAll('[role=slider]')].every((node) => node.tabIndex === 0)"
    )
    bar = page.get_by_role("progressbar")
    assert bar.get_attribute("aria-valuetext") == "0 of 2 trials answered"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_light_and_dark(visit: Visit, scheme: str) -> None:
    page = visit(context={"color_scheme": scheme}).page
    ratios = page.evaluate(
        """() => {
            const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
            const paint = canvas.getContext("2d", { willReadFrequently: true });
            const style = getComputedStyle(document.documentElement);
            const luminance = (name) => {
                paint.fillStyle = style.getPropertyValue(name);
                paint.fillRect(0, 0, 1, 1);
                const [r, g, b] = [...paint.getImageData(0, 0, 1, 1).data].map((value) => {
                    const share = value / 255;
                    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ratio = (one, two) => {
                const [low, high] = [luminance(one), luminance(two)].sort((a, b) => a - b);
                return (high + 0.05) / (low + 0.05);
            };
            return [
                ["--text", "--card"], ["--soft", "--card"], ["--soft", "--raised"], ["--soft", "--ground"],
                ["--warn", "--ground"], ["--on-accent", "--accent"], ["--text", "--accent-soft"],
            ].map(([one, two]) => ratio(one, two));
        }"""
    )
    assert min(ratios) >= 4.5  # WCAG 2.2, success criterion 1.4.3
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(243, 244, 247)", "dark": "rgb(16, 18, 23)"}[scheme]


# --- whole runs -----------------------------------------------------------------------------------


def rate_all(page: Any) -> None:
    """Rate what is on the screen as it is worth, by keys."""
    for place, system in enumerate(order_of(page)):
        page.keyboard.press(str(place + 1))
        tens, ones = divmod(WORTH[system], 10)
        for key in ["Home"] + ["PageUp"] * tens + ["ArrowUp"] * ones:
            page.keyboard.press(key)


def test_a_whole_run_saves_what_was_rated_and_is_summarised(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit(reveal=True))
    for trial in (1, 2):
        at_trial(page, trial)
        rate_all(page)
        page.keyboard.press("Enter")
    page.wait_for_selector("#download")
    path, value = save_and_read(page, tmp_path)
    assert path.name == f"P-1-mushra-{value['page'][:8]}.json"
    assert value["participant"] == "P 1"
    assert value["complete"] is True
    assert value["page"] == page.evaluate("Listening.test.page")
    assert sorted(trial["item"] for trial in value["trials"]) == ["one", "two"]
    for trial in value["trials"]:
        assert {stimulus["system"]: stimulus["rating"] for stimulus in trial["stimuli"]} == WORTH
        assert all(stimulus["listens"] >= 1 for stimulus in trial["stimuli"])
        assert trial["seconds"] > 0
    records = summarise(path)
    means = {record["system"]: record["mean"] for record in records if record["record"] == "system"}
    assert means == WORTH
    assert page.locator(".own tbody tr").first.text_content() == "reference100"


def test_preferences_are_saved_as_they_were_given(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit(mode=Mode.AB))
    for trial, key in ((1, None), (2, "ArrowDown")):
        at_trial(page, trial)
        page.keyboard.press("1")
        page.keyboard.press("2")
        page.keyboard.press(key or ("ArrowLeft" if order_of(page)[0] == "fancy" else "ArrowRight"))
        page.keyboard.press("Enter")
    path, value = save_and_read(page, tmp_path)
    first, second = value["trials"]
    assert first[first["choice"]] == "fancy"
    assert second["choice"] == "none"
    pair = summarise(path)[-1]
    assert (pair["a"], pair["wins"], pair["decided"], pair["ties"]) == ("fancy", 1, 1, 1)


def test_abx_wants_x_to_be_heard_and_knows_what_it_was(visit: Visit, tmp_path: Path) -> None:
    folder = make_systems(tmp_path / "pair", systems=("reference", "plain"), items=("one",))
    page = begin(visit(folder, mode=Mode.ABX))
    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert page.locator(".footer .hint").text_content() == "Not heard yet: X"
    page.keyboard.press("3")
    x_is_a = page.evaluate("Listening.state.trials[0].x === Listening.state.trials[0].systems[0]")
    page.keyboard.press("ArrowLeft" if x_is_a else "ArrowRight")
    page.keyboard.press("Enter")
    path, value = save_and_read(page, tmp_path)
    assert value["trials"][0]["answer"] == value["trials"][0]["x"]
    assert summarise(path)[-1]["wins"] == 1


def test_a_reload_loses_no_answer(visit: Visit) -> None:
    watched = visit()
    page = begin(watched)
    rate_all(page)
    page.keyboard.press("Enter")
    at_trial(page, 2)
    page.keyboard.press("1")
    page.keyboard.press("PageUp")
    before = page.evaluate(
        "JSON.stringify(Listening.state.trials.map((trial) => [trial.systems, trial.ratings]))"
    )
    page.reload()
    page.wait_for_selector(".aa-transport, section[role=alert]")
    assert page.locator("button.primary").text_content() == "Continue at trial 2"
    page.click("button.primary")
    at_trial(page, 2)
    assert before == page.evaluate(
        "JSON.stringify(Listening.state.trials.map((trial) => [trial.systems, trial.ratings]))"
    )


def test_files_are_named_after_listeners_in_any_script(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit(), "Zoë 日本/2")
    rate_all(page)
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename.startswith("Zoë-日本-2-mushra-")
    assert page.evaluate("Session.fileName(Listening.test, { participant: '../:' })").startswith(
        "participant-"
    )


def test_answers_so_far_can_be_saved(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit())
    rate_all(page)
    page.keyboard.press("Enter")
    at_trial(page, 2)
    with page.expect_download() as download:
        page.click("#save")
    download.value.save_as(tmp_path / "part.json")
    value = json.loads((tmp_path / "part.json").read_text("utf-8"))
    assert value["complete"] is False
    assert [trial["position"] for trial in value["trials"]] == [1]


def test_answers_that_no_file_holds_are_not_let_go_unasked(visit: Visit) -> None:
    page = begin(visit())
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    rate_all(page)
    with page.expect_download():
        page.click("#save")  # of the first trial; what comes later is in no file
    page.keyboard.press("Enter")
    at_trial(page, 2)
    rate_all(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("#download")
    page.get_by_text("Next participant").click()
    assert asked == ["confirm"]
    assert page.evaluate("document.body.dataset.screen") == "end"
    with page.expect_download():
        page.click("#download")
    page.get_by_text("Next participant").click()
    page.wait_for_selector("#participant")
    assert asked == ["confirm"]


def test_an_answer_that_hearing_completes_is_in_no_file_yet(visit: Visit, tmp_path: Path) -> None:
    page = begin(visit(make_systems(tmp_path / "pair", ("left", "right")), mode=Mode.AB))
    page.locator(".answer").nth(0).click()
    with page.expect_download():
        page.click("#save")
    wait_until(page, "Listening.state.saved")
    for key in ("1", "2"):
        page.keyboard.press(key)
    assert page.evaluate("Session.isAtRisk(Listening.test, Listening.state)") is True


def test_another_name_does_not_take_the_place_of_unsaved_answers(visit: Visit) -> None:
    page = begin(visit())
    asked: list[str] = []

    def answer(dialog: Any) -> None:
        asked.append(f"{dialog.type}: {dialog.message}")
        if dialog.type == "beforeunload":
            dialog.accept()
        else:
            dialog.dismiss()

    page.on("dialog", answer)
    rate_all(page)
    page.reload()
    page.wait_for_selector(".aa-transport, section[role=alert]")
    assert [text.split(":")[0] for text in asked] == ["beforeunload"]
    page.fill("#participant", "P 2")
    page.keyboard.press("Enter")
    assert asked[1:] == ["confirm: The answers of P 1 are not saved yet. Go on without them?"]
    assert page.evaluate("document.body.dataset.screen") == "start"
    page.fill("#participant", "P 1")
    page.keyboard.press("Enter")
    at_trial(page, 1)
    assert sorted(page.evaluate("Listening.state.trials[0].ratings")) == sorted(WORTH.values())


def test_a_browser_that_keeps_nothing_still_gets_to_the_end(visit: Visit, tmp_path: Path) -> None:
    refuse = "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('no'); } });"
    folder = make_systems(tmp_path / "one", items=("one",))
    page = begin(visit(folder, before=refuse))
    rate_all(page)
    page.keyboard.press("Enter")
    _, value = save_and_read(page, tmp_path)
    assert value["complete"] is True


def test_names_that_attack_are_only_text(visit: Visit, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    for i, system in enumerate(("reference", HOSTILE_SYSTEM, "__proto__")):
        save(folder / system / f"{HOSTILE_ITEM}.flac", noise(gain=1.0 + i))
    page = begin(visit(folder, title=HOSTILE_TITLE, reveal=True, anchors_hz=()), "<b onclick=alert(1)>")
    assert page.title() == HOSTILE_TITLE
    assert page.locator("#title").text_content() == HOSTILE_TITLE
    for place in (1, 2, 3):
        page.keyboard.press(str(place))
        page.keyboard.press("End")
    page.keyboard.press("Enter")
    path, value = save_and_read(page, tmp_path)
    assert path.name.startswith("b-onclick-alert-1-")
    assert value["trials"][0]["item"] == HOSTILE_ITEM
    shown = page.locator(".own th").all_text_contents()
    assert sorted(shown) == sorted([HOSTILE_SYSTEM, "__proto__", "reference"])
    assert page.evaluate("window.hacked") is None
    assert page.locator("img").count() == 0
    records = summarise(path)
    assert {record["system"] for record in records if record["record"] == "system"} == {
        "reference",
        HOSTILE_SYSTEM,
        "__proto__",
    }


def test_audio_that_cannot_be_decoded_is_one_clear_line(visit: Visit) -> None:
    watched = visit(
        before="AudioContext.prototype.decodeAudioData = () => Promise.reject(new Error('no codec'));"
    )
    assert "no codec" in watched.page.get_by_role("alert").text_content()
