"""Measuring what natural spectra look like, for ``audiosr_fx.cutoff``, from recordings that reach 20 kHz.

``python -m audiosr_fx.training.cutoff_prior FOLDER cutoff_prior.npz`` takes every FLAC file below a folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audiosr_fx.cutoff import ROUGHNESS_SCALE, band_levels_db, band_roughness
from audiosr_fx.files import FileSource
from audiosr_fx.spectrum import measure_spectrum

Floats = NDArray[np.float64]


def learn_prior(levels: Floats) -> tuple[Floats, Floats]:
    """Mean (bands,) and covariance (bands, bands) of unfiltered recordings, without each one's own roughness.

    Args:
        levels: ``band_levels_db`` of many recordings that reach 20 kHz, (recordings, bands).
    """
    shapes = levels - levels.mean(axis=1, keepdims=True)
    mean = shapes.mean(axis=0)
    roughness = np.mean([band_roughness(level) / ROUGHNESS_SCALE for level in levels], axis=0)
    values, vectors = np.linalg.eigh(np.cov(shapes.T, bias=True) - np.diag(roughness))
    return mean, (vectors * np.maximum(values, 0.0)) @ vectors.T


def main(folder: str, prior: str) -> None:
    """Learn from a folder and write mean and covariance as float32."""
    levels = []
    for path in sorted(Path(folder).rglob("*.flac")):
        with FileSource(path) as source:
            levels.append(band_levels_db(measure_spectrum(source)))
    mean, covariance = learn_prior(np.array(levels))
    with open(prior, "wb") as stream:
        np.savez_compressed(stream, mean=mean.astype(np.float32), covariance=covariance.astype(np.float32))


if __name__ == "__main__":
    main(*sys.argv[1:])
