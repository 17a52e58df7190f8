"""Steps of training with Keras, for `keras_worker.py`: PyTorch's rules of descent, computed by any backend."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

Arrays = list[Any]


def build_descent(rules: dict[str, Any], groups: dict[int, list[float]]) -> Any:
    """An optimizer that changes weights as `striate.training.optimizer` does.

    Keras' own SGD multiplies its momentum by the rate of the step in which it was gathered, PyTorch's by that of the
    step in which it is used: with a schedule they part.

    Args:
        rules: `kind` (sgd or adamw), `momentum`, `beta1`, `beta2`, `epsilon`, `clip`.
        groups: Highest rate and weight decay of each variable, by its identity.
    """
    import keras
    from keras import ops

    class Descent(keras.optimizers.Optimizer):  # type: ignore[misc]
        def build(self, variables: Any) -> None:
            super().build(variables)
            self.first = [self.add_variable_from_reference(one, "first") for one in variables]
            adaptive = rules["kind"] == "adamw"
            self.second = [self.add_variable_from_reference(one, "second") for one in variables] if adaptive else []
            self.groups = [groups[id(one)] for one in variables]

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            place = self._get_variable_index(variable)
            highest, decay = self.groups[place]
            rate = ops.cast(learning_rate, variable.dtype) * highest
            gradient = ops.cast(gradient, variable.dtype)
            if rules["kind"] == "sgd":
                self._sgd(place, variable, gradient + decay * variable, rate)
            else:
                self._adamw(place, variable, gradient, rate, decay)

        def _sgd(self, place: int, variable: Any, gradient: Any, rate: Any) -> None:
            momentum = rules["momentum"]
            gathered = momentum * self.first[place] + gradient
            self.assign(self.first[place], gathered)
            self.assign_sub(variable, rate * (gradient + momentum * gathered))

        def _adamw(self, place: int, variable: Any, gradient: Any, rate: Any, decay: float) -> None:
            beta1, beta2 = rules["beta1"], rules["beta2"]
            steps = ops.cast(self.iterations + 1, variable.dtype)
            mean = self.first[place] + (1 - beta1) * (gradient - self.first[place])
            square = beta2 * self.second[place] + (1 - beta2) * ops.square(gradient)
            self.assign(self.first[place], mean)
            self.assign(self.second[place], square)
            root = ops.sqrt(square) / ops.sqrt(1 - ops.power(beta2, steps)) + rules["epsilon"]
            step = rate * mean / (1 - ops.power(beta1, steps)) / root
            self.assign(variable, variable * (1 - rate * decay) - step)

    return Descent(learning_rate=1.0, global_clipnorm=rules["clip"] or None)


def own_layers() -> dict[str, Any]:
    """Layers that training needs and Keras has not; what is exported has none of them."""
    import keras

    class Scale(keras.layers.Layer):  # type: ignore[misc]
        """A learned factor."""

        def build(self, _: Any) -> None:
            self.factor = self.add_weight(shape=(1,), initializer="ones", name="factor")

        def call(self, values: Any) -> Any:
            return values * self.factor

    return {"Scale": Scale}


class TensorFlowPass:
    """Forward and, once the gradients of a loss are known, back."""

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self.model = model
        self.call = tf.function(lambda pixels: model(pixels, training=True))

    def forward(self, pixels: Any) -> Any:
        """What the model says of pixels, channels last."""
        import tensorflow as tf

        with tf.GradientTape() as self.tape:
            self.given = self.call(tf.constant(pixels))
        return self.given

    def gradients(self, flows: Arrays) -> Arrays:
        """Of each weight, from those of each answer."""
        import tensorflow as tf

        found: Arrays = self.tape.gradient(
            tf.nest.flatten(self.given),
            self.model.trainable_variables,
            output_gradients=[tf.constant(one) for one in _flattened(self.given, flows)],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return found


class JaxPass:
    """The same; JAX keeps nothing between the two, so it goes forward once more on its way back."""

    def __init__(self, model: Any) -> None:
        import jax

        def forward(trained: Any, other: Any, pixels: Any) -> Any:
            return model.stateless_call(trained, other, pixels, training=True)

        def back(trained: Any, other: Any, pixels: Any, flows: Any) -> Any:
            return jax.vjp(lambda weights: forward(weights, other, pixels)[0], trained)[1](flows)[0]

        self.model = model
        self.call, self.back = jax.jit(forward), jax.jit(back)

    def forward(self, pixels: Any) -> Any:
        """What the model says of pixels, channels last."""
        trained = [one.value for one in self.model.trainable_variables]
        other = [one.value for one in self.model.non_trainable_variables]
        self.held = trained, other, np.array(pixels)
        self.given, changed = self.call(*self.held)
        for variable, value in zip(self.model.non_trainable_variables, changed, strict=True):
            variable.assign(value)
        return self.given

    def gradients(self, flows: Arrays) -> Arrays:
        """Of each weight, from those of each answer."""
        import jax

        shape = jax.tree_util.tree_structure(self.given)
        return list(self.back(*self.held, jax.tree_util.tree_unflatten(shape, _flattened(self.given, flows))))


def _flattened(given: Any, flows: Arrays) -> Arrays:
    """Gradients in the order in which libraries lay out dictionaries: by name."""
    return [dict(zip(given, flows, strict=True))[name] for name in sorted(given)] if isinstance(given, dict) else flows


class Training:
    """A model in training.

    Args:
        model: The functional model.
        order: What `train_begin` says: `rules`, `groups` by `layer/weight`, `weights_of_losses`, `seed`, `average`.
    """

    def __init__(self, model: Any, order: dict[str, Any]) -> None:
        import keras
        from keras import ops

        keras.utils.set_random_seed(order["seed"])
        self.model = model
        self.variables = {f"{layer.name}/{one.name}": one for layer in model.layers for one in layer.weights}
        # A seed of dropout is a variable, too, and none that PyTorch knows.
        self.variables = {name: one for name, one in self.variables.items() if "float" in str(one.dtype)}
        groups = {id(self.variables[name]): group for name, group in order["groups"].items()}

        class SharesTimesLogarithms(keras.losses.Loss):  # type: ignore[misc]
            """The shares hold smoothing, weights of classes and the mean over the batch already."""

            def call(self, shares: Any, scores: Any) -> Any:
                return -ops.sum(shares * ops.log_softmax(scores, axis=-1), axis=-1)

        loss = SharesTimesLogarithms(reduction="sum")
        self.outputs: list[str] = order["outputs"]
        several = len(self.outputs) > 1
        weights = dict(zip(self.outputs, order["weights_of_losses"], strict=True))
        model.compile(
            optimizer=build_descent(order["rules"], groups),
            loss=dict.fromkeys(self.outputs, loss) if several else loss,
            loss_weights=weights if several else None,
            # Compiling for TensorFlow by XLA makes convolutions on processors many times slower.
            jit_compile=os.environ.get("KERAS_BACKEND") == "jax",
        )
        model.optimizer.build(model.trainable_variables)
        self.passing = (JaxPass if os.environ.get("KERAS_BACKEND") == "jax" else TensorFlowPass)(model)
        self.averages = {name: np.array(one) for name, one in self._arrays().items()} if order["average"] else {}

    def step(self, order: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """One step on pixels, channels last, and shares of the classes."""
        pixels, shares = arrays
        self.model.optimizer.learning_rate = order["factor"]
        truth = dict.fromkeys(self.outputs, shares) if len(self.outputs) > 1 else shares
        loss = self.model.train_on_batch(pixels, truth)
        self._average(order)
        return {"loss": float(np.ravel(loss)[0])}, []

    def answer(self, _: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """What the model says while it trains, for a loss that is computed elsewhere."""
        given = self.passing.forward(arrays[0])
        several = given if isinstance(given, dict) else {self.outputs[0]: given}
        return {"names": list(several)}, [np.asarray(_plain(one)) for one in several.values()]

    def descend(self, order: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """One step along the gradients of that loss at each answer, in the order of the answers."""
        self.model.optimizer.learning_rate = order["factor"]
        self.model.optimizer.apply(self.passing.gradients(arrays), self.model.trainable_variables)
        self._average(order)
        return {}, []

    def state(self, _: dict[str, Any], __: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Weights, what the optimizer keeps for each, and their moving averages."""
        found = {f"weight {name}": one for name, one in self._arrays().items()}
        found |= {name: np.asarray(_plain(one)) for name, one in self._kept().items()}
        found |= {f"average {name}": one for name, one in self.averages.items()}
        return {"names": list(found), "steps": int(_plain(self.model.optimizer.iterations))}, list(found.values())

    def restore(self, order: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """What `state` gave, the weights aside, which came with the model."""
        kept = self._kept()
        for name, array in zip(order["names"], arrays, strict=True):
            kind, _, variable = name.partition(" ")
            if kind == "average":
                self.averages[variable] = np.array(array)
            else:
                kept[name].assign(array)
        self.model.optimizer.iterations.assign(order["steps"])
        return {}, []

    def _average(self, order: dict[str, Any]) -> None:
        if self.averages:
            for name, now in self._arrays().items():
                self.averages[name] += (now - self.averages[name]) * (1 - order["decay"])

    def _kept(self) -> dict[str, Any]:
        optimizer = self.model.optimizer
        names = {id(one): name for name, one in self.variables.items()}
        trained = [names[id(one)] for one in self.model.trainable_variables]
        found = {f"first {name}": one for name, one in zip(trained, optimizer.first, strict=True)}
        if optimizer.second:
            found |= {f"second {name}": one for name, one in zip(trained, optimizer.second, strict=True)}
        return found

    def _arrays(self) -> dict[str, Any]:
        return {name: np.asarray(_plain(one)) for name, one in self.variables.items()}


def _plain(variable: Any) -> Any:
    import keras

    return keras.ops.convert_to_numpy(variable)
