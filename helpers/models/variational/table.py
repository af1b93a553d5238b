"""A VAE for a table of mixed columns: numbers and categories, each with a loss of its own kind. Shown in lecture 09."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops

from helpers.models.variational.builders import add_heads
from helpers.models.variational.vae import KL, VAE


@keras.saving.register_keras_serializable(package="course")
class TableVAE(VAE):
    """A VAE of rows: `numbers` standardised columns, and after them one-hot columns, category by category.

    `fit(rows)`. The reconstruction of a row, in nats up to a constant, is the sum over its columns of half the squared
    error (a normal distribution of variance 1) for a number, and of the cross-entropy for a category. Its two shares
    are the metrics "numbers" and "categories"; `errors_by_column` tells them column by column.

    Args:
        encoder, decoder: as in `VAE`, for rows, float32, (batch, numbers + sum of categories). The decoder gives
            probabilities for every category.
        numbers: how many columns are numbers; they come first.
        categories: how many values each further column has.
        beta, kl: as in `VAE`.

    Raises:
        ValueError: as `VAE`, or rows of another width than the columns make.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        numbers: int,
        categories: Sequence[int] = (),
        name: str = "table_vae",
        **options: Any,
    ) -> None:
        width = numbers + sum(categories)
        if encoder.input_shape[-1] != width:
            raise ValueError(
                f"{numbers} numbers and categories of {tuple(categories)} values make rows of {width}, but the encoder "
                f"takes {encoder.input_shape[-1]}. Give numbers and categories as the table has them."
            )
        super().__init__(encoder, decoder, name=name, **options)
        self.numbers, self.categories = numbers, list(categories)
        self.shares = [keras.metrics.Mean(name=name) for name in ("numbers", "categories")]

    def errors_by_column(self, rows: Any, found: Any) -> Any:
        """Return what each column adds to the reconstruction: float32, (batch, numbers + categories), in nats.

        Args:
            rows: float32, (batch, numbers + sum of categories).
            found: their reconstructions, of the same shape.
        """
        rows, found = ops.cast(rows, "float32"), ops.cast(found, "float32")
        errors = [ops.square(rows[:, : self.numbers] - found[:, : self.numbers]) / 2]
        start = self.numbers
        for count in self.categories:
            columns = slice(start, start + count)
            errors.append(ops.categorical_crossentropy(rows[:, columns], found[:, columns])[:, None])
            start += count
        return ops.concatenate(errors, axis=-1)

    def _reconstruction_of(self, target: Any, y_pred: dict[str, Any]) -> Any:
        errors = self.errors_by_column(target, y_pred["reconstruction"])
        shares = ops.sum(errors[:, : self.numbers], axis=-1), ops.sum(errors[:, self.numbers :], axis=-1)
        self._note(target, *((metric, ops.mean(share)) for metric, share in zip(self.shares, shares, strict=True)))
        return shares[0] + shares[1]

    def get_config(self) -> dict[str, Any]:
        """Give the arguments, to save the model with its parts."""
        config = {key: value for key, value in super().get_config().items() if key != "reconstruction"}
        return {**config, "numbers": self.numbers, "categories": list(self.categories)}


def build_table_vae(
    latent_dim: int = 2,
    *,
    numbers: int,
    categories: Sequence[int] = (),
    hidden: Sequence[int] = (32,),
    activation: str = "relu",
    beta: float = 1.0,
    kl: KL = "analytic",
    seed: int = 0,
) -> TableVAE:
    """Build a VAE for a table. Shown in lecture 09.

    Args:
        latent_dim: numbers in a code, at least 1.
        numbers, categories: columns of the table, as in `TableVAE`.
        hidden: widths of the layers between row and code, from the row on; at least one.
        activation: of the hidden layers.
        beta, kl: as in `TableVAE`.
        seed: of the samples.

    Returns:
        A `TableVAE`, not compiled.
    """
    if len(hidden) == 0:
        raise ValueError("hidden is empty, but the heads need features to read. Use at least one layer: hidden=(32,).")
    rows = keras.Input((numbers + sum(categories),), name="row")  # (batch, columns)
    trunk = keras.Model(rows, _dense(rows, hidden, activation))
    codes = keras.Input((latent_dim,), name="code")  # (batch, latent_dim)
    x = _dense(codes, hidden[::-1], activation)
    found = [layers.Dense(numbers, name="numbers")(x)] if numbers else []
    found += [layers.Dense(n, activation="softmax", name=f"category_{i}")(x) for i, n in enumerate(categories, start=1)]
    joined = layers.Concatenate(name="columns")(found) if len(found) > 1 else found[0]  # -> (batch, columns)
    decoder = keras.Model(codes, joined, name="decoder")
    encoder = add_heads(trunk, latent_dim, seed=seed)
    return TableVAE(encoder, decoder, numbers=numbers, categories=categories, beta=beta, kl=kl)


def _dense(x: Any, widths: Sequence[int], activation: str) -> Any:
    for depth, width in enumerate(widths, start=1):
        x = layers.Dense(width, activation=activation, name=f"hidden_{depth}")(x)  # -> (batch, width)
    return x
