"""From a recipe and a run's folder to stages, and from trained stages to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audiosr_fx.errors import CheckpointError, ParameterError
from audiosr_fx.metadata import weights_sha256
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.catalogue import KNOWN_MODELS
from audiosr_fx.model.checkpoint import load_model
from audiosr_fx.model.config import HiFiGANConfig, ModelConfig
from audiosr_fx.model.config_json import config_from_json
from audiosr_fx.model.places import place_of
from audiosr_fx.training.checkpoints import is_same_start, read_checkpoint
from audiosr_fx.training.cleaner import CleanerStage
from audiosr_fx.training.data import Clip
from audiosr_fx.training.device_segments import DeviceSegmentMaker
from audiosr_fx.training.grow import grown
from audiosr_fx.training.hifigan import HiFiGANStage
from audiosr_fx.training.ldm import LatentDenoiser, LatentStage
from audiosr_fx.training.predictor import PredictorStage
from audiosr_fx.training.recipes import NEEDS, STAGES, Recipe
from audiosr_fx.training.segments import SegmentMaker
from audiosr_fx.training.stage import BatchMaker, Stage
from audiosr_fx.training.trained_on import join_records
from audiosr_fx.training.vae import VAEStage
from audiosr_fx.training.vocoder import ExciterStage
from audiosr_fx.wording import printable, shortened


def starting_model(recipe: Recipe, init: str | None) -> AudioSRModel:
    """The model a run starts from: that of ``init`` (see :func:`load_start`), else a fresh one of the recipe.

    Raises:
        ParameterError: the recipe has no model and ``init`` is None, or the two differ in more than
            ``grow.py`` adds.
        CheckpointError: no such weights.
    """
    if init is None:
        if recipe.model is None:
            raise ParameterError(
                f"recipe {recipe.name!r} goes on from trained weights; say from which with --init"
                " (mini, basic, speech, a model of your own, a .safetensors file or the folder of a run)"
            )
        return fresh_model(recipe.model)
    return fitted_model(load_start(init), recipe, init)


def fitted_model(model: AudioSRModel, recipe: Recipe, init: str) -> AudioSRModel:
    """Weights to start from as the recipe goes on with them: it may look further, or clean (see ``grow.py``).

    Raises:
        ParameterError: the recipe has a model, and the one of ``init`` is made otherwise.
    """
    if recipe.model is None:
        return model
    model = grown(model, recipe.model)
    own = model.config if recipe.model.cleaner else replace(model.config, cleaner=None)
    if _shape(recipe.model) != _shape(own):
        raise ParameterError(
            f"the model of recipe {recipe.name!r} is made otherwise than {init!r};"
            " take --recipe finetune, or leave --init away"
        )
    return model


def load_start(init: str) -> AudioSRModel:
    """A model by its name or file, or what the trained stages in a run's folder add up to.

    Raises:
        CheckpointError: no such weights.
    """
    return trained_model(Path(init))[0] if is_run(init) else load_model(init)


def is_run(init: str) -> bool:
    """Whether weights are said by the folder of a run; a folder that is called like a model is none."""
    return place_of(init) is None and init not in KNOWN_MODELS and Path(init).is_dir()


def lasting_name(init: str) -> str:
    """The same weights said so that they are found from any folder."""
    is_path = init.endswith(".safetensors") or is_run(init)
    return str(Path(init).expanduser().absolute()) if is_path else init


def start_record(init: str | None) -> dict[str, Any]:
    """What a stage's record says of the weights it began from: their name, and the hash of their file.

    ``init_sha256`` is None for random weights and for a run's folder.
    """
    if init is None:
        return {"init": None, "init_sha256": None}
    return {"init": lasting_name(init), "init_sha256": None if is_run(init) else weights_sha256(init)}


def check_starts(records: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to add what was not trained from weights that have changed under their name since.

    Args:
        records: of the stages of a run, by their names. What has no hash, and a file that is gone, pass.

    Raises:
        CheckpointError: a stage began from a file that now holds others.
    """
    for name, record in records.items():
        init, began = record.get("init"), record.get("init_sha256")
        if init and began and weights_sha256(init) not in (None, began):
            raise CheckpointError(
                f"stage {name!r} began from {printable(init)} as it was then, and it has changed; restore it,"
                " or say with --init what to take in its place"
            )


def first_weights(init: str | None, records: Iterable[Mapping[str, Any]]) -> str | None:
    """The model or file that a run, and the runs it went on from, began with; None for random weights.

    Args:
        init: as given; None takes what the records say.
        records: of the run's stages.

    Raises:
        CheckpointError: a checkpoint of a run that it went on from cannot be read.
    """
    start = init or _common_start([record for record in records if record.get("init")])
    if start is None or not is_run(start):
        return start
    stages = [name for name in STAGES if (Path(start) / f"{name}.pt").is_file()]
    return first_weights(None, [_record(read_stage(Path(start), name)) for name in stages])


def fresh_model(config: ModelConfig, seed: int = 0) -> AudioSRModel:
    """A model with random weights, the same ones for the same seed.

    Raises:
        ParameterError: no model can be built from this config.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return AudioSRModel(config)
    except (RuntimeError, ValueError, ArithmeticError) as error:
        raise ParameterError(f"no model can be built from [model] of the recipe ({error})") from error


def _shape(config: ModelConfig) -> object:
    return replace(config, name="", guidance_scale=1.0, shared_encoder=True)


def build_stage(
    name: str,
    model: AudioSRModel,
    recipe: Recipe,
    training: Sequence[Clip],
    validation: Sequence[Clip],
    device: torch.device | str = "cpu",
) -> Stage:
    """The stage ``name`` of ``model``, whose weights it trains in place.

    Args:
        name: one of ``STAGES``.
        model: moved to ``device``; all but the stage's part of it stays as it is.
        recipe: its table of that name is used.
        training: at least one clip.
        validation: none is allowed; there are no validation figures then.
        device: for everything.

    Raises:
        ParameterError: no such stage, or one that the model or the recipe does not have.
    """
    settings: Any = recipe.settings(name)
    if name not in stages_of(model.config):
        raise ParameterError(f"model {model.config.name!r} has no {name} to train")
    build: Callable[..., Stage] = stage_kind(name, model.config)
    model = model.to(device).requires_grad_(False)
    weights = recipe.data.kind_weights
    maker: BatchMaker = (
        DeviceSegmentMaker(training, settings.augment, weights, device)
        if recipe.data.on_device
        else SegmentMaker(training, settings.augment, weights)
    )
    with torch.random.fork_rng(devices=[]):  # critics start out the same in every process
        torch.manual_seed(settings.seed)
        return build(model, settings, maker, validation, torch.device(device))


def stage_kind(name: str, config: ModelConfig) -> type[Stage]:
    """The class that trains the stage ``name``, one of ``STAGES``, of a model of this config."""
    kinds: Mapping[str, type[Stage]] = {
        "predictor": PredictorStage,
        "vae": VAEStage,
        "vocoder": HiFiGANStage if isinstance(config.vocoder, HiFiGANConfig) else ExciterStage,
        "ldm": LatentStage,
        "cleaner": CleanerStage,
    }
    return kinds[name]


def needed_stages(name: str, config: ModelConfig) -> list[str]:
    """The stages that must have been trained, or come from other weights, before ``name``."""
    return [stage for stage in NEEDS.get(name, ()) if stage in stages_of(config)]


def stages_of(config: ModelConfig) -> list[str]:
    """The stages that a model of this config has."""
    lacking = {name for name in ("predictor", "cleaner") if getattr(config, name) is None}
    return [name for name in STAGES if name not in lacking]


def read_stage(folder: Path, name: str) -> dict[str, Any]:
    """The checkpoint of a stage, on the CPU.

    Raises:
        CheckpointError: there is none in ``folder``, or none that can be read.
    """
    path = folder / f"{name}.pt"
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; train stage {name!r} first")
    try:
        state: dict[str, Any] = read_checkpoint(path)
    except ValueError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); restore it or train the stage again"
        ) from error
    if not isinstance(state, dict) or not isinstance(state.get("average"), Mapping):
        raise CheckpointError(f"{path} is no checkpoint of a stage")
    return state


def load_stages(model: AudioSRModel, folder: Path, names: Sequence[str]) -> None:
    """Put the moving averages of trained stages into ``model``, the best ones where validation was watched.

    A stage that asks for a blend is mixed with what ``model`` holds, which are the weights it started from.

    Raises:
        CheckpointError: a stage has no checkpoint in ``folder``, or one that does not fit.
    """
    for name in names:
        state = read_stage(folder, name)
        best = state.get("best")
        average = best["average"] if isinstance(best, Mapping) else state["average"]
        module = module_of(model, name)
        try:
            module.load_state_dict(_blend(module.state_dict(), average, float(state.get("blend", 1.0))))
        except (AttributeError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{folder / name}.pt does not fit model {model.config.name!r} ({shortened(error)})"
            ) from error


def _blend(start: Mapping[str, Tensor], trained: Mapping[str, Tensor], share: float) -> Mapping[str, Tensor]:
    if share == 1.0:
        return trained
    return {
        key: value if key not in start else start[key].lerp(value, share) for key, value in trained.items()
    }


def trained_model(
    folder: Path, recipe: Recipe | None = None, init: str | None = None
) -> tuple[AudioSRModel, dict[str, dict[str, Any]]]:
    """The model that the stages in ``folder`` add up to, and the record of each of them.

    Stages that were not trained come from ``init``, or from the weights that the others started from; where
    those are a run's folder too, its records count for them.

    Raises:
        CheckpointError: nothing was trained here, or stages are missing or do not fit together.
    """
    trained = [name for name in STAGES if (folder / f"{name}.pt").is_file()]
    if not trained:
        raise CheckpointError(
            f"{folder} holds no trained stage; train one first: audiosr-fx train all --help"
        )
    records = {name: _record(read_stage(folder, name)) for name in trained}
    config = _joint_config(records.values(), folder)
    begun = [record for record in records.values() if record.get("init")] if init is None else []
    if not all(is_same_start(begun[0], record, folder) for record in begun[1:]):
        raise _of_different_models(folder)
    start = init or _common_start(begun)
    if start is not None:
        model, before = trained_model(Path(start)) if is_run(start) else (load_model(start), {})
        model = model if config is None else grown(model, config)
        if before:
            twice = before.keys() & records.keys()
            joined = {name: join_records(before[name], records[name]) for name in twice}
            records = {**before, **records, **joined}
    else:
        if config is None and recipe is not None:
            config = recipe.model
        if config is None:
            raise CheckpointError(f"{folder} does not say what model its stages are of; give its --recipe")
        model = fresh_model(config)
        trained = stages_of(config)
    load_stages(model, folder, trained)
    return model.eval().requires_grad_(False), records


def _joint_config(records: Iterable[Mapping[str, Any]], folder: Path) -> ModelConfig | None:
    """The model that recorded stages are of; some may be of before it had a cleaner. None if none says."""
    configs = [config_from_json(record["config"]) for record in records if "config" in record]
    cleaners = {config.cleaner for config in configs} - {None}
    if len({replace(config, cleaner=None) for config in configs}) > 1 or len(cleaners) > 1:
        raise _of_different_models(folder)
    return replace(configs[0], cleaner=cleaners.pop() if cleaners else None) if configs else None


def _of_different_models(folder: Path) -> CheckpointError:
    return CheckpointError(
        f"the stages in {folder} are of different models; keep each model's in its own folder"
    )


def _common_start(begun: Sequence[Mapping[str, Any]]) -> str | None:
    """What records call the weights that they began from; of several names one that still holds."""
    names = [str(record["init"]) for record in begun]
    return next((name for name in names if Path(name).exists()), names[0] if names else None)


def _record(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its run, with the step and figures of the weights that are taken."""
    record = dict(state.get("record") or {})
    best = state.get("best")
    if isinstance(best, Mapping):
        return {**record, "step": best["step"], "figures": best["figures"]}
    return {**record, "step": state.get("step", 0)}


def module_of(model: AudioSRModel, name: str) -> nn.Module:
    """The part of a model, not a copy, that a stage trains."""
    module: nn.Module = LatentDenoiser(model) if name == "ldm" else getattr(model, name)
    return module
