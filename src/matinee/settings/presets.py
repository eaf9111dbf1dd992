"""What each model and each way of training it starts from, and what a preset stands for."""

from typing import Any, Literal

ModelName = Literal["dot", "linear", "mlp", "neumf"]
MethodName = Literal["sgd", "adagrad", "adam", "gibbs"]
PresetName = Literal["fast", "accurate"]

# What a method starts from where the model's recipe says nothing else; adam is the notebook's optimizer.
METHODS: dict[MethodName, dict[str, Any]] = {
    "sgd": {
        "epochs": 20,
        "learning_rate": 0.1,
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
    "gibbs": {"sampler_rank": 31, "chains": 2, "sweeps": 75, "burn_in": 25},
}
# Sizes are the notebook's; dot's come from several data sets (docs/models.md). Any of them can be set by hand.
RECIPES: dict[ModelName, dict[str, dict[str, Any]]] = {
    "dot": {"model": {"embedding_size": 32}, "train": {"method": "sgd"}},
    "linear": {
        "model": {"embedding_size": 32},
        "train": {"method": "adagrad", "learning_rate": 0.02, "weight_decay": 0.055},
    },
    "mlp": {
        "model": {"embedding_size": 32, "hidden_size": 64, "dropout": 0.0},
        "train": {"method": "adagrad", "weight_decay": 0.03},
    },
    "neumf": {
        "model": {"embedding_size": 32, "hidden_size": 64, "dropout": 0.1},
        "train": {"method": "adagrad", "learning_rate": 0.03, "weight_decay": 0.004},
    },
}
# A sampler's mean over many draws is wider than a draw.
SIZES: dict[MethodName, dict[str, Any]] = {"gibbs": {"embedding_size": 128}}
PRESETS: dict[PresetName, dict[str, dict[str, Any]]] = {
    "fast": {},
    "accurate": {"train": {"method": "gibbs"}},
}


def recipe_of(model: ModelName, method: MethodName | None) -> dict[str, dict[str, Any]]:
    """What a model starts from, by section of the settings; its own values count for its own method alone."""
    recipe = RECIPES[model]
    usual = recipe["train"]["method"]
    chosen = method or usual
    own = recipe["train"] if chosen == usual else {}
    return {
        "model": recipe["model"] | SIZES.get(chosen, {}),
        "train": {"method": chosen, **METHODS[chosen], **own},
    }
