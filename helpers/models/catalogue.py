"""Every kind of model by its name, built from the parameters of an experiment. Used by lecture 08 and `course train`.

Importing this module makes the course's own layers and models known to `keras.saving.load_model`.
"""

import difflib
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras

import helpers.models.compact  # noqa: F401 - its layer may be in a saved model
from helpers.models import convolutional, dense, sequence, unet, variational

_PARTS = (variational.build_dense_parts, variational.build_convolutional_parts)
# What builds each kind, and what takes the options that this hands on.
BUILDERS: dict[str, tuple[Callable[..., Any], ...]] = {
    "dense": (dense.build_autoencoder,),
    "convolutional": (convolutional.build_autoencoder,),
    "sequence": (sequence.build_autoencoder,),
    "dense_vae": (variational.build_dense_vae, _PARTS[0]),
    "convolutional_vae": (variational.build_convolutional_vae, _PARTS[1]),
    "conditional_vae": (variational.build_conditional_vae, *_PARTS),
    "branched_vae": (variational.build_branched_vae, *_PARTS),
    "table_vae": (variational.build_table_vae,),
    "aerial_vae": (variational.aerial_vae,),
    "unet": (unet.build_unet,),
}
EARLIER_NAMES = {"image_shape": "input_shape"}
# How a model was trained, which does not change what it is.
TRAINING = frozenset(
    ["batch_size", "data", "epochs", "freeze", "images", "learning_rate", "loss", "optimizer", "patience", "seed"]
)


def from_experiment(parameters: Mapping[str, Any], *, training: Collection[str] = TRAINING) -> keras.Model:
    """Build the model that an experiment's parameters describe, untrained; `Experiment.load()` gives the trained one.

    Args:
        parameters: `experiment.parameters`, or any mapping. "model" is a key of `BUILDERS`, "dense" where it is left
            out; what else the builder takes is handed to it by name.
        training: parameters that say how a model was trained; they are passed over, unless the builder takes them.

    Returns:
        A model, not compiled.

    Raises:
        ValueError: no such model, or a parameter that is neither an option of its builder nor in `training`.

    >>> model = from_experiment({"model": "dense", "latent_dim": 4, "hidden": [64], "epochs": 5})
    >>> model.get_layer("encoder").output_shape
    (None, 4)
    """
    parameters = with_names_of_today(parameters)
    kind = parameters.get("model", "dense")
    takes = options(kind)
    for name in parameters:
        if name != "model" and name not in takes and name not in training:
            raise ValueError(
                f"{name!r} is no option of the model {kind!r}{meant(name, takes)}. It takes: {', '.join(takes)}. If "
                f"it is about the training, say so: from_experiment(parameters, training={{*TRAINING, {name!r}}})."
            )
    return BUILDERS[kind][0](**{name: value for name, value in parameters.items() if name in takes})


def with_names_of_today(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an experiment or of a run file, in which options may have the names of earlier code.

    >>> with_names_of_today({"model": "dense", "image_shape": [8, 8, 1]})
    {'model': 'dense', 'input_shape': [8, 8, 1]}
    """
    return {EARLIER_NAMES.get(name, name): value for name, value in parameters.items()}


def options(kind: str) -> list[str]:
    """List what a builder takes by name, with what it hands on.

    Raises:
        ValueError: no such model.
    """
    if kind not in BUILDERS:
        raise ValueError(f"There is no model {kind!r}{meant(kind, BUILDERS)}. There are: {', '.join(BUILDERS)}.")
    every = [parameter for function in BUILDERS[kind] for parameter in inspect.signature(function).parameters.values()]
    return sorted({parameter.name for parameter in every if parameter.kind is not parameter.VAR_KEYWORD})


def meant(name: object, known: Collection[str]) -> str:
    """Suggest the known name that is nearest to one that is not known, if one is near.

    >>> meant("laten_dim", ["hidden", "latent_dim"])
    "; 'latent_dim' may be meant"
    """
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; {near[0]!r} may be meant" if near else ""
