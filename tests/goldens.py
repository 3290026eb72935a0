"""Frozen outputs of the published model, stage by stage, and how ours are held against them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

LIMIT = 1e-4
"""Largest relative error ‖ours - reference‖ / ‖reference‖ that counts as the same, in float32."""

FOLDER = Path(__file__).parent / "data" / "goldens"


def golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of one file."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array))


def relative_error(ours: torch.Tensor | npt.ArrayLike, reference: npt.ArrayLike) -> float:
    ours = np.asarray(ours, dtype=np.float64)
    reference = np.asarray(reference, dtype=np.float64)
    assert ours.size == reference.size, f"{ours.shape} against {reference.shape}"
    return float(np.linalg.norm(ours.ravel() - reference.ravel()) / np.linalg.norm(reference))


def agree(stage: str, ours: torch.Tensor | npt.ArrayLike, reference: npt.ArrayLike) -> None:
    """Assert parity, and print a line of the parity table (shown by ``pytest -s``)."""
    error = relative_error(ours, reference)
    print(f"\n| {stage:<52} | {error:.1e} |", end="")
    assert error <= LIMIT, f"{stage}: relative error {error:.1e}"
