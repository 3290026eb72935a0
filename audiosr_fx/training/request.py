"""What one ``audiosr-fx train`` command asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from audiosr_fx.errors import ParameterError
from audiosr_fx.model.config import ModelConfig
from audiosr_fx.training.assemble import stages_of
from audiosr_fx.training.data import DataFolder
from audiosr_fx.training.recipes import Recipe, load_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """One command: which stages, from what, where and how.

    ``go_on`` follows the recipe to the one it names to go on with; ``overrides`` are of every such recipe, in
    place of its own settings, as they were already applied to the first.
    """

    stages: Sequence[str]
    data: Sequence[DataFolder]
    runs: Path
    recipe: Recipe
    init: str | None = None
    device: str = "auto"
    workers: int | None = None
    board: bool = True
    go_on: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def stages_in(self, config: ModelConfig) -> list[str]:
        """The stages that a model of this config has to train.

        Raises:
            ParameterError: it has none of them.
        """
        found = [name for name in self.stages if name in stages_of(config)]
        if not found:
            raise ParameterError(f"model {config.name!r} has no {' or '.join(self.stages)} to train")
        return found

    def phases(self) -> Iterator[TrainRequest]:
        """This request and those that go on from it, each in a folder within the one before.

        Raises:
            ParameterError: a recipe that is not there, or that comes back to one before it.
        """
        request, seen = self, {self.recipe.name}
        yield request
        while request.go_on and request.recipe.then:
            recipe = load_recipe(request.recipe.then).with_overrides(**self.overrides)
            if recipe.name in seen:
                raise ParameterError(f"recipe {recipe.name!r} goes on with itself; expected an end")
            seen.add(recipe.name)
            request = replace(
                request,
                recipe=recipe,
                stages=recipe.stages,
                runs=request.runs / recipe.name,
                init=str(request.runs.absolute()),
            )
            yield request
