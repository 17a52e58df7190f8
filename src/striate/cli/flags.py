"""Options that set recipe fields. Their meanings are the recipe's own, so they are written down once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from striate.cli.output import Answer
from striate.errors import RecipeError, RequestError
from striate.recipe import Recipe, read_recipe, recipe_fields


class RecipeFlag(NamedTuple):
    """One option that sets one recipe field.

    Attributes:
        option: The option.
        field: The recipe field, `section.field`.
        kind: Type of its value.
    """

    option: str
    field: str
    kind: type

    @property
    def parameter(self) -> str:
        """Name as a parameter of a function."""
        return self.option.removeprefix("--").replace("-", "_")


RECIPE_FLAGS = (
    RecipeFlag("--task", "data.task", str),
    RecipeFlag("--format", "data.format", str),
    RecipeFlag("--channels", "data.channels", str),
    RecipeFlag("--net", "network.name", str),
    RecipeFlag("--weights", "network.weights", str),
    RecipeFlag("--minutes", "optimisation.minutes", float),
    RecipeFlag("--epochs", "optimisation.epochs", int),
    RecipeFlag("--batch-size", "optimisation.batch_size", int),
    RecipeFlag("--lr", "optimisation.learning_rate", float),
    RecipeFlag("--seed", "optimisation.seed", int),
    RecipeFlag("--tool", "machine.tool", str),
    RecipeFlag("--device", "machine.device", str),
    RecipeFlag("--precision", "machine.precision", str),
)
_FILE_HELP = "Recipe to start from (YAML); every run folder holds one."
_SET_HELP = "Any recipe field, as FIELD=VALUE; may be repeated. docs/recipe.md lists the fields."


def takes_recipe(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Gives a command the options of `RECIPE_FLAGS`, `--recipe` and `--set`.

    The command itself gets two arguments: `recipe`, the finished recipe, and `changed`, the recipe options that were
    given on the command line. Later ones win: the file, then the options, then `--set`.

    Args:
        without: Options that the command does not offer.
    """
    flags = tuple(flag for flag in RECIPE_FLAGS if flag.option not in without)

    def decorate(function: Callable[..., Answer]) -> Callable[..., Answer]:
        @functools.wraps(function)
        def run(**values: Any) -> Answer:
            file: Path | None = values.pop("recipe", None)
            settings: list[str] = values.pop("settings", None) or []
            asked = {flag: values.pop(flag.parameter, None) for flag in flags}
            given = {flag: value for flag, value in asked.items() if value is not None}
            changed = [flag.option for flag in given]
            changed += ["--recipe"] * (file is not None) + ["--set"] * bool(settings)
            return function(**values, recipe=_build_recipe(file, given, settings), changed=tuple(changed))

        signature = inspect.signature(function, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name not in ("recipe", "changed")]
        run.__signature__ = signature.replace(parameters=[*own, *_parameters(flags)])  # type: ignore[attr-defined]
        return run

    return decorate


def _parameters(flags: tuple[RecipeFlag, ...]) -> list[inspect.Parameter]:
    meanings = {name: meaning for name, _, _, meaning in recipe_fields()}
    made = [
        (flag.parameter, Annotated[flag.kind | None, typer.Option(flag.option, help=meanings[flag.field])])
        for flag in flags
    ]
    made.append(("recipe", Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help=_FILE_HELP)]))
    made.append(("settings", Annotated[list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help=_SET_HELP)]))
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in made
    ]


def _build_recipe(file: Path | None, given: dict[RecipeFlag, Any], settings: list[str]) -> Recipe:
    recipe = read_recipe(file) if file is not None else Recipe()
    for flag, value in given.items():
        # typer has turned numbers into numbers; what is text still is meant as text.
        recipe = _with_value(recipe, flag.option, flag.field, value, as_typed=True)
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals or not field.strip():
            raise RequestError(
                f"expected FIELD=VALUE, found {setting!r}.",
                where="--set",
                fix="For example: --set optimisation.label_smoothing=0.1",
            )
        recipe = _with_value(recipe, "--set", field.strip(), value.strip())
    return recipe


def _with_value(recipe: Recipe, option: str, field: str, value: Any, *, as_typed: bool = False) -> Recipe:
    try:
        return recipe.with_values({field: value}, as_typed=as_typed)
    except RecipeError as error:
        raise RecipeError(error.what, where=option, fix=error.fix) from error
