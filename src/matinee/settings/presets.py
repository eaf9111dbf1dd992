"""The default settings of each model and method, and the settings of each preset."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, cast

from pydantic import JsonValue

from matinee.formats.manifests import ModelName

MethodName = Literal["sgd", "adagrad", "adam", "gibbs"]
Value = int | float | str
Values = Mapping[str, Value]


class Recipe(NamedTuple):
    """Default settings of a model with a method, by section."""

    model: Values
    method: MethodName
    train: Values


# Defaults of each method; a model's recipe may override them. adam is the optimizer of the seed notebook.
METHODS: Final[Mapping[MethodName, Values]] = {
    "sgd": {
        "epochs": 20,
        "learning_rate": 0.12,
        "lr_step": 1,
        "lr_gamma": 0.8,
        "batch_size": 16_384,
        "weight_decay": 0.025,
    },
    "adagrad": {
        "epochs": 20,
        "learning_rate": 0.05,
        "lr_step": 1,
        "lr_gamma": 0.9,
        "batch_size": 2048,
        "weight_decay": 0.02,
    },
    "adam": {
        "epochs": 20,
        "learning_rate": 0.001,
        "lr_step": 3,
        "lr_gamma": 0.7,
        "batch_size": 8192,
        "weight_decay": 0.0,
    },
    "gibbs": {"sampler_rank": 31, "chains": 4, "sweeps": 75, "burn_in": 25},
}
# The sizes are those of the seed notebook. Those of dot were measured on several data sets (docs/models.md).
RECIPES: Final[Mapping[ModelName, Recipe]] = {
    "dot": Recipe({"embedding_size": 32}, "sgd", {}),
    "linear": Recipe({"embedding_size": 32}, "adagrad", {"learning_rate": 0.02, "weight_decay": 0.055}),
    "mlp": Recipe(
        {"embedding_size": 32, "hidden_size": 64, "dropout": 0.0}, "adagrad", {"weight_decay": 0.03}
    ),
    "neumf": Recipe(
        {"embedding_size": 32, "hidden_size": 64, "dropout": 0.1},
        "adagrad",
        {"learning_rate": 0.03, "weight_decay": 0.004},
    ),
}
# The mean of many draws of the sampler needs more numbers than one draw.
SIZES: Final[Mapping[MethodName, Values]] = {"gibbs": {"embedding_size": 128}}
# `fast` is empty: it is the defaults, the recipe of `dot` with `sgd`. To change it, change METHODS and RECIPES.
PRESETS: Final[dict[str, Mapping[str, Values]]] = {
    "fast": {},
    "accurate": {"train": {"method": "gibbs"}},
}


def recipe_of(model: ModelName, method: MethodName | None) -> Recipe:
    """The defaults of a model with a method, or with its own method if None.

    Values of the model's recipe apply only to its own method.
    """
    own = RECIPES[model]
    chosen = method or own.method
    usual = own.train if chosen == own.method else {}
    return Recipe(
        {**own.model, **SIZES.get(chosen, {})}, chosen, {"method": chosen, **METHODS[chosen], **usual}
    )


def for_other_method(
    written: Mapping[str, JsonValue], changes: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Settings of a file for a call that changes the model or the method: without the values of the file's own recipe.

    The settings of a release have every value spelled out, of which nobody has chosen those of the recipe.

    Args:
        written: Sections of a file.
        changes: Sections of the call.

    Examples:
        >>> for_other_method({"train": {"method": "sgd", "epochs": 20, "seed": 1}}, {"train": {"method": "gibbs"}})
        {'train': {'method': 'sgd', 'seed': 1}, 'model': {}}
    """
    model, train = (_section(written, name) for name in ("model", "train"))
    name, method = model.get("name", "dot"), train.get("method")
    others = _section(changes, "model").get("name", name), _section(changes, "train").get("method", method)
    known = (
        isinstance(name, str) and name in RECIPES and method in (None, *METHODS)
    )  # others are refused later
    if others == (name, method) or not known:
        return dict(written)
    recipe = recipe_of(cast("ModelName", name), cast("MethodName | None", method))
    usual = {**recipe.model, **recipe.train}
    kept = {key: value for key, value in train.items() if key == "method" or usual.get(key) != value}
    if others[0] != name and method == RECIPES[cast("ModelName", name)].method:
        kept.pop("method", None)  # the other model has its own
    shape = {key: value for key, value in model.items() if key == "name" or usual.get(key) != value}
    return {**written, "train": kept, "model": shape}


def _section(settings: Mapping[str, JsonValue], name: str) -> dict[str, JsonValue]:
    """A section of settings; empty if there is none, or something else in its place, which is refused later."""
    found = settings.get(name)
    return dict(found) if isinstance(found, Mapping) else {}
