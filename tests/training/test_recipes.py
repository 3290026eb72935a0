"""Recipes are read strictly, and one content has one hash."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiosr_fx.errors import ParameterError, PresetError
from audiosr_fx.model.config import BASIC, MINI, CleanerConfig, ExciterConfig, HiFiGANConfig
from audiosr_fx.toml_text import to_toml
from audiosr_fx.training.data import HELD_OUT_SOURCES
from audiosr_fx.training.recipes import STAGES, load_recipe, read_recipe, recipe_names
from audiosr_fx.training.segments import AugmentSettings

QUICK = "[vae]\nsteps = 10\n"


def write(folder: Path, text: str, name: str = "mine") -> str:
    path = folder / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_package_can_be_read_and_says_what_it_is_for(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert 20 < len(recipe.description) < 110
    for stage in recipe.stages:
        assert recipe.settings(stage).steps > 0
        assert recipe.settings(stage).augment.seconds == pytest.approx(recipe.settings(stage).segment_s)


def test_mini_and_basic_are_the_models_of_that_name() -> None:
    assert load_recipe("mini").model == MINI
    assert frozenset(load_recipe("mini").data.held_out) == HELD_OUT_SOURCES
    assert load_recipe("basic").model == BASIC
    assert load_recipe("basic").stages == ("vae", "vocoder", "ldm")
    assert load_recipe("finetune").model is None


def test_the_cleaning_variant_hears_tones_and_hiss() -> None:
    recipe = load_recipe("restore")
    assert recipe.model is None
    assert recipe.ldm is not None
    degrade = recipe.ldm.augment.degrade
    assert (degrade.tone_probability, degrade.hiss_probability) == (0.5, 0.5)
    assert degrade.tone_hz_range == (100.0, 15_000.0)
    assert degrade.tone_amplitude_range == (0.001, 0.2)
    assert degrade.hiss_amplitude_range == (0.001, 0.02)


def test_the_published_recipe_says_what_is_known_of_the_published_training() -> None:
    recipe = load_recipe("basic")
    assert recipe.vae is not None
    assert recipe.vocoder is not None
    assert recipe.ldm is not None
    assert recipe.vae.adversarial is not None
    assert recipe.vocoder.adversarial is not None
    assert (recipe.ldm.learning_rate, recipe.ldm.warmup_steps, recipe.ldm.ema_decay) == (1e-4, 5000, 0.9999)
    assert (recipe.ldm.unconditional_share, recipe.ldm.segment_s) == (0.1, 10.24)
    assert recipe.vocoder.betas == recipe.vocoder.adversarial.betas == (0.8, 0.99)
    assert round(recipe.vocoder.segment_s * 48_000) == 15_360
    assert recipe.ldm.augment.degrade.codec_share == 0.0


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_is_printed_reads_back_as_the_same(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    again = load_recipe(write(tmp_path, to_toml(recipe.to_table()), name))
    assert again == recipe
    assert again.sha256 == recipe.sha256


def test_the_hash_is_of_the_content_and_not_of_the_file(tmp_path: Path) -> None:
    one = load_recipe(write(tmp_path, QUICK))
    other = load_recipe(write(tmp_path, "# words\n[vae]\nbatch_size = 16 # the default\nsteps   = 10\n"))
    assert one.sha256 == other.sha256
    assert len(one.sha256) == 64
    assert one.with_overrides(learning_rate=2e-3).sha256 != one.sha256
    assert one.with_overrides(learning_rate=None).sha256 == one.sha256
    assert load_recipe(write(tmp_path, QUICK.replace("10", "11"))).sha256 != one.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[vae]\nstep = 10\n", "vae: unknown key 'step' (did you mean steps?)"),
        ("[vea]\nsteps = 10\n", "mine.toml: unknown key 'vea' (did you mean vae?)"),
        ("[vae]\nsteps = 10\nqqqq = 1\n", "vae: unknown key 'qqqq'; there are: steps, segment_s"),
        ("[vae]\nbatch_size = 2\n", "vae: steps is missing"),
        ('[vae]\nsteps = "ten"\n', "vae: steps is 'ten'; expected a whole number"),
        ("[vae]\nsteps = 1.5\n", "vae: steps is 1.5; expected a whole number"),
        ("[vae]\nsteps = true\n", "vae: steps is True; expected a whole number"),
        ("[vae]\nsteps = 0\n", "vae: steps is 0; expected 1 to"),
        ("[vae]\nsteps = 10\nlearning_rate = nan\n", "learning_rate is nan; expected"),
        ("[vae]\nsteps = 10\nbetas = [0.9]\n", "vae: betas is [0.9]; expected a list of 2"),
        ("[vae]\nsteps = 10\nbetas = [0.9, 1.5]\n", "betas is (0.9, 1.5); expected two numbers from 0"),
        ('[vae]\nsteps = 10\nprecision = "half"\n', "precision is 'half'; expected float32 or bfloat16"),
        ("[vae]\nsteps = 10\npatience = 3\n", "patience is 3 but watch names no figure"),
        ("[vae]\nsteps = 10\nadversarial = 1\n", "vae.adversarial is 1; expected a table"),
        ("[vae]\nsteps = 10\n[vae.adversarial]\nweight = -1\n", "weight is -1.0"),
        ("[vae]\nsteps = 10\n[vae.adversarial]\nweight = nan\n", "weight is nan"),
        ("[vae]\nsteps = 10\n[vae.adversarial]\nlearning_rate = 0.0\n", "the last above 0"),
        ("[vae]\nsteps = 10\n[vae.adversarial]\nbetas = [0.8, 1.0]\n", "betas is (0.8, 1.0); expected two"),
        ("[vae]\nsteps = 10\n[vae.augment]\nspeed = 1\n", "unknown key 'speed' (did you mean speed_"),
        ("[augment.degrade]\ncodec_share = 2.0\n", "augment.degrade: codec_share is 2.0; expected 0 to 1"),
        ("[data]\nheld_out_fraction = 1.0\n", "held_out_fraction is 1.0; expected 0 to below 1"),
        ('[data]\nheld_out = [1]\n', "data: held_out is 1; expected a text in quotes"),
        ('[data.kind_weights]\nspeech = "much"\n', "data.kind_weights: speech is 'much'; expected a number"),
        ("[data]\nkind_weights = { speech = -1 }\n", "the weight of speech is -1.0"),
        ('stages = ["vea"]\n', "stages names 'vea'; expected some of predictor, vae, vocoder, ldm"),
        ('[model]\nbase = "maxi"\n', "model: base is 'maxi'; expected one of mini, basic, speech"),
        ('[model.vocoder]\nkind = "wavenet"\n', "kind is 'wavenet'; expected hifigan or exciter"),
        ("[model.vae]\nbase_chanels = 4\n", "unknown key 'base_chanels' (did you mean base_channels?)"),
        ("vae = 3\n", "vae is 3; expected a table"),
        ("model = 3\n", "model is 3; expected a table"),
        ("[vae\n", "mine.toml: not TOML: "),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_the_way_out(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PresetError) as caught:
        load_recipe(write(tmp_path, text))
    assert message in str(caught.value)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recipes_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="recipe is 'maxi'; expected one of basic, clean, finetune,"):
        load_recipe("maxi")
    with pytest.raises(PresetError, match="No such file"):
        load_recipe(str(tmp_path / "gone.toml"))
    with pytest.raises(ParameterError, match=r"has no table \[ldm\]; it has: vae"):
        load_recipe(write(tmp_path, QUICK)).settings("ldm")


def test_a_model_is_a_base_and_what_differs(tmp_path: Path) -> None:
    recipe = load_recipe(
        write(
            tmp_path,
            '[model]\nname = "wide"\nguidance_scale = 2\n[model.unet]\nbase_channels = 64\n'
            "[model.vocoder]\nwidth = 256\n",
        )
    )
    assert recipe.model is not None
    assert isinstance(MINI.vocoder, ExciterConfig)
    assert recipe.model == replace(
        MINI,
        name="wide",
        guidance_scale=2.0,
        unet=replace(MINI.unet, base_channels=64),
        vocoder=replace(MINI.vocoder, width=256),
        cleaner=None,
    )
    other = load_recipe(write(tmp_path, '[model.vocoder]\nkind = "hifigan"\nbase_channels = 64\n')).model
    assert other is not None
    assert other.vocoder == HiFiGANConfig(base_channels=64)


def test_a_file_trains_what_it_has_tables_for_unless_it_says_otherwise(tmp_path: Path) -> None:
    tables = "[vae]\nsteps = 1\n[predictor]\nsteps = 1\n"
    assert load_recipe(write(tmp_path, tables)).stages == ("predictor", "vae")
    assert load_recipe(write(tmp_path, 'stages = ["vae"]\n' + tables)).stages == ("vae",)
    cleaning = load_recipe(write(tmp_path, "[model]\n[cleaner]\nsteps = 1\n"))
    assert cleaning.stages == ("cleaner",)
    assert cleaning.model == MINI
    published = load_recipe(write(tmp_path, '[model]\nbase = "basic"\n[cleaner]\nsteps = 1\n'))
    assert published.model == replace(BASIC, cleaner=CleanerConfig())
    own = load_recipe(write(tmp_path, "[model.cleaner]\nwidth = 24\n[vae]\nsteps = 1\n")).model
    assert own == replace(MINI, cleaner=CleanerConfig(width=24))


def test_augmentation_of_all_stages_and_of_one(tmp_path: Path) -> None:
    text = "[augment]\nspeed_probability = 0.1\nequaliser_db = 3\n"
    text += "[vae]\nsteps = 1\n[ldm]\nsteps = 1\nsegment_s = 1.0\naugment = { speed_probability = 0.9 }\n"
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.settings("vae").augment == AugmentSettings(speed_probability=0.1, equaliser_db=3.0)
    ldm = recipe.settings("ldm").augment
    assert (ldm.speed_probability, ldm.equaliser_db, ldm.seconds) == (0.9, 3.0, 1.0)


def test_examples_are_whole_mel_frames(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, "[vae]\nsteps = 1\nsegment_s = 0.3333\n"))
    assert (recipe.settings("vae").augment.seconds * 48_000) % 480 == pytest.approx(0.0, abs=1e-6)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["steps", *STAGES, "x"]), inner)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # busy machines are slow
@given(st.dictionaries(st.sampled_from([*STAGES, "data", "model", "augment", "stages", "name"]), values))
def test_any_tables_are_a_recipe_or_a_parameter_error(table: dict[str, object]) -> None:
    with suppress(ParameterError):
        assert len(read_recipe(table, "any").sha256) == 64
