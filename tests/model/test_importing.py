"""Published checkpoints become model files; hostile ones become one clear line, and nothing runs."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from deterministic_weights import fill, published_state
from safetensors.torch import save_file
from tiny import TINY, tiny_model
from torch import Tensor

from audiosr_fx.errors import CheckpointError
from audiosr_fx.model import importing
from audiosr_fx.model.audiosr import AudioSRModel
from audiosr_fx.model.catalogue import read_card
from audiosr_fx.model.checkpoint import load_model
from audiosr_fx.model.config import BASIC, DiffusionConfig
from audiosr_fx.model.diffusion import Schedule
from audiosr_fx.model.importing import LEFT_OVER, convert, import_checkpoint, inspect_source, our_name, pull

UNSHARED = dataclasses.replace(TINY, shared_encoder=False)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("AUDIOSR_FX_MODELS", str(models))
    return models


@pytest.fixture(scope="module")
def model() -> AudioSRModel:
    return fill(tiny_model())


@pytest.fixture
def state(model: AudioSRModel) -> dict[str, Any]:
    """A state dict of the published structure, left-overs included."""
    schedule = Schedule.cosine(DiffusionConfig())
    return {
        **published_state(model),
        "alphas_cumprod": schedule.alpha_bar.float(),
        "logvar": torch.zeros(1000),
        "clap.model.text_branch.embeddings.position_ids": torch.arange(4),
        "model_ema.decay": torch.tensor(0.9999),
        "model_ema.num_updates": torch.tensor(1, dtype=torch.int32),
    }


def saved(folder: Path, content: object) -> Path:
    path = folder.parent / "pytorch_model.bin"
    torch.save(content, path)
    return path


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_every_published_tensor_is_placed_or_listed_as_left_over() -> None:
    path = Path(__file__).parents[1] / "data" / "published_tensors.json.gz"
    published = json.loads(gzip.decompress(path.read_bytes()))
    assert len(published) == 3742
    with torch.device("meta"):
        expected = AudioSRModel(dataclasses.replace(BASIC, shared_encoder=False)).state_dict()
    ours = {name: shape for key, shape in published.items() if (name := our_name(key)) is not None}
    assert ours == {name: list(tensor.shape) for name, tensor in expected.items()}
    left_over = {key for key in published if our_name(key) is None}
    assert len(left_over) + len(ours) == 3742
    unused = {entry for entry in LEFT_OVER if not any(key.startswith(entry) for key in left_over)}
    assert unused == {"lvlb_weights"}  # some training code keeps this one


def test_a_published_checkpoint_is_imported_in_a_child_process(
    folder: Path, state: dict[str, Any], model: AudioSRModel
) -> None:
    source = saved(folder, {"state_dict": state, "global_step": 7})
    path = import_checkpoint(source, TINY)
    assert path == folder / "tiny.safetensors"
    assert list(folder.iterdir()) == [path]
    loaded = load_model("tiny")
    assert loaded.config.shared_encoder
    tensors = loaded.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensors[name], tensor), name
    assert read_card("tiny").source_sha256 == hashlib.sha256(source.read_bytes()).hexdigest()


def test_flat_safetensors_with_published_names_are_imported(folder: Path, state: dict[str, Any]) -> None:
    source = folder.parent / "flat.safetensors"
    save_file(
        {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state.items()}, source
    )
    import_checkpoint(source, TINY)
    assert load_model("tiny").scale_factor == 0.4


def test_a_fault_found_in_the_child_is_one_line_and_leaves_the_old_model(
    folder: Path, state: dict[str, Any]
) -> None:
    target = folder / "tiny.safetensors"
    target.write_bytes(b"the old one")
    state["first_stage_model.decoder.conv_out.bias"] = torch.tensor([float("nan")])
    with pytest.raises(
        CheckpointError, match=r"decoder\.conv_out\.bias holds values that are not finite"
    ) as caught:
        import_checkpoint(saved(folder, {"state_dict": state}), TINY)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == [target]
    assert target.read_bytes() == b"the old one"


def test_the_child_takes_no_module_from_the_folder_it_is_started_in(
    folder: Path, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = folder.parent / "downloads"
    hostile.mkdir()
    for name in ("torch", "json", "safetensors"):
        (hostile / f"{name}.py").write_text("open('ran', 'w').close()")
    source = saved(folder, {"state_dict": state})
    monkeypatch.chdir(hostile)
    import_checkpoint(source, TINY)
    assert not (hostile / "ran").exists()


def test_what_a_killed_child_leaves_behind_goes_too(
    folder: Path, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(source: Path, target: Path, *_: object) -> None:
        (target.parent / ".half").write_bytes(b"half a model")
        raise KeyboardInterrupt

    monkeypatch.setattr(importing, "_convert_in_child", killed)
    with pytest.raises(KeyboardInterrupt):
        import_checkpoint(saved(folder, {"state_dict": state}), TINY)
    assert list(folder.iterdir()) == []


def test_a_child_that_takes_too_long_is_stopped(folder: Path, state: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"not read within 0\.05 s"):
        import_checkpoint(saved(folder, {"state_dict": state}), TINY, time_limit_s=0.05)
    assert list(folder.iterdir()) == []


def test_encoders_that_differ_are_both_kept() -> None:
    state = published_state(fill(tiny_model(config=UNSHARED)))
    tensors, config = convert(state, TINY)
    assert not config.shared_encoder
    first, condition = tensors["vae.encoder.conv_in.weight"], tensors["conditioner.encoder.conv_in.weight"]
    assert not torch.equal(first, condition)
    assert torch.equal(condition, state["cond_stage_models.0.vae.encoder.conv_in.weight"])


def test_a_checkpoint_without_first_stage_encoder_takes_the_conditions(state: dict[str, Any]) -> None:
    for name in list(state):
        if name.startswith(("first_stage_model.encoder.", "first_stage_model.quant_conv.")):
            del state[name]
    tensors, config = convert(state, TINY)
    assert config.shared_encoder
    assert "vae.encoder.conv_in.weight" in tensors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("scale_factor"), "lacks tensors: scale_factor"),
        (lambda s: s.pop("model.diffusion_model.out.2.bias"), r"lacks tensors: unet\.out\.2\.bias"),
        (lambda s: s.update(surprise=torch.zeros(1)), "unknown tensors: surprise"),
        (lambda s: s.update(scale_factor=torch.zeros(3)), r"scale_factor has shape \[3\]"),
        (lambda s: s.update(scale_factor=torch.zeros(1).expand(10**9)), "scale_factor has shape"),
        (lambda s: s.update(scale_factor=torch.tensor(float("inf"))), "not finite"),
        (lambda s: s.update(scale_factor=torch.tensor(1)), "scale_factor is torch.int64"),
        (lambda s: s.update(scale_factor="0.4"), "'scale_factor' is a str"),
        (lambda s: s.update({3: torch.zeros(1)}), "entry 3"),
        (lambda s: s.update(alphas_cumprod=torch.ones(1000)), "not the cosine schedule"),
        (lambda s: s.clear(), "lacks tensors"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    state: dict[str, Any], change: Callable[[dict[Any, Any]], None], message: str
) -> None:
    change(state)
    with pytest.raises(CheckpointError, match=message) as caught:
        convert(state, TINY)
    assert "\n" not in str(caught.value)


def test_code_in_a_checkpoint_is_named_and_never_runs(folder: Path, state: dict[str, Any]) -> None:
    trace = folder.parent / "trace"
    source = saved(folder, {"state_dict": state, "callback": Payload(trace)})
    with pytest.raises(
        CheckpointError, match=r"refers to code that no checkpoint needs: .*nothing was loaded"
    ):
        import_checkpoint(source, TINY)
    assert not trace.exists()


def test_code_in_a_bare_pickle_never_runs(folder: Path) -> None:
    trace, source = folder.parent / "trace", folder.parent / "bare.ckpt"
    source.write_bytes(pickle.dumps(Payload(trace)))
    with pytest.raises(CheckpointError, match="neither a PyTorch zip file nor safetensors"):
        import_checkpoint(source, TINY)
    assert not trace.exists()


PICKLES = {
    "a name built on the stack": (b"\x80\x02X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93.", "STACK_GLOBAL"),
    "a later protocol": (b"\x80\x04}.", "PROTO"),
    "an old way to make objects": (b"(S'true'\nios\nsystem\n.", "INST"),
    "a registered extension": (b"\x80\x02\x82\x01.", "EXT1"),
    "code by name": (b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.", r"os\.system"),
    "a builtin": (b"\x80\x02cbuiltins\neval\n.", r"builtins\.eval"),
    "half a pickle": (b"\x80\x02}X\xff", "damaged pickle"),
    "no pickle": (b"\xff\xff", "damaged pickle"),
    "nothing": (b"", "damaged pickle"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_is_not_plain_is_refused(folder: Path, name: str) -> None:
    content, message = PICKLES[name]
    source = folder.parent / "hostile.bin"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    with pytest.raises(CheckpointError, match=message) as caught:
        inspect_source(source)
    assert "\n" not in str(caught.value)


def zip_of(folder: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    source = folder.parent / "archive.bin"
    with zipfile.ZipFile(source, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return source


def test_a_zip_bomb_is_refused_without_unpacking(folder: Path) -> None:
    entries = {"a/data.pkl": pickle.dumps({}, 2), "a/data/0": bytes(10_000_000)}
    source = zip_of(folder, entries, zipfile.ZIP_DEFLATED)
    assert source.stat().st_size < 20_000
    with pytest.raises(CheckpointError, match="compressed entries"):
        inspect_source(source)


def test_sizes_that_exceed_the_file_are_refused(folder: Path) -> None:
    source = zip_of(folder, {"a/data.pkl": pickle.dumps({}, 2), "a/data/0": b"1234"})
    content = bytearray(source.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 20 : directory + 28] = (2**31).to_bytes(4, "little") * 2
    source.write_bytes(content)
    with pytest.raises(CheckpointError, match="more than the file has"):
        inspect_source(source)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a/b.txt": b"1"}, "not a PyTorch checkpoint"),
        ({"a/data.pkl": b"\x80\x02}.", "b/data.pkl": b"\x80\x02}."}, "not a PyTorch checkpoint"),
        ({"a/code.pkl": b"\x80\x02}."}, "not a PyTorch checkpoint"),
    ],
)
def test_other_zip_files_are_refused(folder: Path, entries: dict[str, bytes], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        inspect_source(zip_of(folder, entries))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n", "neither"),
        (b"To whom it may concern: these are not weights.\n" * 50, "neither"),
        (b"PK\x03\x04", "damaged or cut short"),
        (b"\xff" * 8 + b"{", "neither"),
        (b"version https://git-lfs.github.com/spec/v1\n", "neither"),
    ],
)
def test_what_is_no_checkpoint_is_refused(folder: Path, content: bytes, message: str) -> None:
    source = folder.parent / "thing.bin"
    source.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        import_checkpoint(source, TINY)
    assert "\n" not in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(folder: Path, state: dict[str, Any], share: float) -> None:
    source = saved(folder, {"state_dict": state})
    content = source.read_bytes()
    source.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        inspect_source(source)


def test_a_checkpoint_over_the_size_limit_is_refused(
    folder: Path, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MAX_SOURCE_BYTES", 1000)
    with pytest.raises(CheckpointError, match="expected at most 1000"):
        inspect_source(saved(folder, {"state_dict": state}))


def test_a_missing_file_and_a_folder_are_refused(folder: Path) -> None:
    for source in (folder / "nothing.bin", folder):
        with pytest.raises(CheckpointError, match=r"cannot read|not a file"):
            import_checkpoint(source, TINY)


def test_pulling_offline_says_how_to_point_at_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise ConnectionError("Name or service not known\nand more")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    with pytest.raises(CheckpointError, match="audiosr-fx models import FILE --name speech") as caught:
        pull("speech")
    assert "\n" not in str(caught.value)


def test_pulling_imports_what_was_downloaded(
    folder: Path, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = saved(folder, {"state_dict": state})
    asked: list[tuple[str, str]] = []

    def download(repository: str, filename: str) -> str:
        asked.append((repository, filename))
        return str(source)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(importing, "import_checkpoint", lambda path, config: (Path(path), config))
    assert pull("basic") == (source, BASIC)
    assert asked == [("haoheliu/audiosr_basic", "pytorch_model.bin")]


@pytest.mark.parametrize("name", ["mini", "nothing"])
def test_only_published_models_can_be_pulled(name: str) -> None:
    with pytest.raises(CheckpointError, match="expected one of basic, speech"):
        pull(name)


def test_a_plain_checkpoint_names_nothing_foreign(folder: Path, state: dict[str, Tensor]) -> None:
    state["half"] = torch.zeros(1, dtype=torch.float16)
    state["brain"] = torch.zeros(1, dtype=torch.bfloat16)
    state["parameter"] = torch.nn.Parameter(torch.zeros(1))
    inspect_source(saved(folder, {"state_dict": state, "epoch": 3}))
