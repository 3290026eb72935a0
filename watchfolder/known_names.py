"""Whether all that a studio names is there, asked before the first stem comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from audiosr_fx.errors import AudioFormatError, CheckpointError, ParameterError, PresetError
from audiosr_fx.wording import shown
from watchfolder.studio import StudioSettings


def check_inputs(studio: StudioSettings) -> None:
    """Refuse a watched folder that is not there.

    Raises:
        AudioFormatError: no such folder; of a studio file, it says in which folder's table. A disk may be
            late: a service that is told so is started again.
    """
    for number, settings in enumerate(studio.folders, 1):
        with _placed(studio, number):
            if not settings.input.is_dir():
                raise AudioFormatError(f"input is {shown(settings.input)}, which is no folder that is there")


def check_names(studio: StudioSettings, devices: Iterable[str] = ()) -> None:
    """Refuse a preset or a model that is not there, and what is no device.

    Raises:
        PresetError, CheckpointError, ParameterError: no such preset, model or device. Of a studio file, all
            but the last say in which folder's table.
    """
    from audiosr_fx.jobs.task import check_device
    from audiosr_fx.model.catalogue import find_model
    from audiosr_fx.presets import load_preset

    for device in devices:
        check_device(device)
    for number, settings in enumerate(studio.folders, 1):
        with _placed(studio, number):
            if settings.preset:
                load_preset(settings.preset)
            if settings.model:
                find_model(settings.model)


@contextmanager
def _placed(studio: StudioSettings, number: int) -> Iterator[None]:
    """Say in which folder's table of a studio file a fault is."""
    place = "" if studio.source is None else f"{shown(studio.source)}: folder {number}: "
    try:
        yield
    except (AudioFormatError, PresetError, CheckpointError, ParameterError) as error:
        raise type(error)(f"{place}{error}") from error
