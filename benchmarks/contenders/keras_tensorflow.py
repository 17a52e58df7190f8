"""Keras on TensorFlow: image_dataset_from_directory, a cached tf.data pipeline and model.fit.

The pipeline is the one of TensorFlow's own tutorial on loading pictures (decode once, cache in memory, shuffle,
augment, prefetch). The augmentation is one vectorised crop per batch, the fastest form we know of.
"""

from __future__ import annotations

import math
import os
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf
from keras import layers
from protocol import EpochClock, Timing, Work, serve

STEPS_PER_EXECUTION = {"": 1, "many-steps": 16}


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """The one-cycle schedule with PyTorch's default numbers, computed inside the graph."""

    def __init__(self, highest: float, steps: int) -> None:
        self.highest, self.steps = highest, float(steps)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Learning rate at a step."""
        done = tf.cast(step, tf.float32) / self.steps
        rising = self._between(self.highest / 25, self.highest, done / 0.3)
        return tf.where(done < 0.3, rising, self._between(self.highest, self.highest / 25e4, (done - 0.3) / 0.7))

    @staticmethod
    def _between(start: float, stop: float, share: tf.Tensor) -> tf.Tensor:
        return stop + (start - stop) / 2 * (1 + tf.cos(math.pi * tf.clip_by_value(share, 0.0, 1.0)))


class TrainClock(keras.callbacks.Callback):
    """Stops the time of each epoch, measures test accuracy between epochs, and ends the run at the one asked for."""

    def __init__(self, clock: EpochClock, target: float, test: tf.data.Dataset | None) -> None:
        super().__init__()
        self.clock, self.target, self.test, self.accuracies = clock, target, test, []

    def on_epoch_begin(self, *_: object) -> None:
        """An epoch begins."""
        self.clock.start()

    def on_epoch_end(self, *_: object) -> None:
        """It ends; the test split is measured outside the clock."""
        self.clock.stop()
        if self.test is not None:
            right = total = 0
            for images, truth in self.test:
                answers = tf.argmax(self.model(images, training=False), 1, output_type=tf.int32)
                right += int(tf.reduce_sum(tf.cast(answers == tf.cast(truth, tf.int32), tf.int32)))
                total += len(truth)
            self.accuracies.append(right / total)
            self.model.stop_training = self.accuracies[-1] >= self.target


def build_keras_network(work: Work, classes: int = 10) -> keras.Model:
    """LeNet-5 or ResNet-18 with exactly PyTorch's layers; normalisation of pixels comes with the data."""
    if work.net == "lenet5":
        inputs = keras.Input((28, 28, 1))
        x = layers.MaxPooling2D()(layers.Conv2D(6, 5, padding="same", activation="relu")(inputs))
        x = layers.MaxPooling2D()(layers.Conv2D(16, 5, activation="relu")(x))
        x = layers.Dense(120, activation="relu")(layers.Flatten()(x))
        return keras.Model(inputs, layers.Dense(classes)(layers.Dense(84, activation="relu")(x)))
    inputs = keras.Input((work.size, work.size, 3))
    if work.size <= 40:
        x = _convolve(inputs, 64, 3, 1)
    else:
        x = layers.ZeroPadding2D(1)(_convolve(inputs, 64, 7, 2))
        x = layers.MaxPooling2D(3, 2)(x)
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage > 0 and block == 0 else 1
            shortcut = x if stride == 1 else _convolve(x, width, 1, stride, activate=False)
            inner = _convolve(_convolve(x, width, 3, stride), width, 3, 1, activate=False)
            x = layers.ReLU()(layers.Add()([inner, shortcut]))
    return keras.Model(inputs, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def _convolve(x: object, width: int, kernel: int, stride: int, *, activate: bool = True) -> object:
    if stride > 1 and kernel > 1:
        # PyTorch pads both sides alike; "same" does not where the stride is 2.
        x, padding = layers.ZeroPadding2D(kernel // 2)(x), "valid"
    else:
        padding = "same"
    x = layers.Conv2D(width, kernel, stride, padding=padding, use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return layers.ReLU()(x) if activate else x


def read_pictures(work: Work, split: str) -> tf.data.Dataset:
    """Decoded pictures one by one, kept as bytes: at 256 x 256 for crops of 224, else at their own size."""
    side = 256 if work.size == 224 else work.size
    pictures = keras.utils.image_dataset_from_directory(
        work.data / split,
        color_mode="grayscale" if work.net == "lenet5" else "rgb",
        image_size=(side, side),
        batch_size=None,
        verbose=False,
    )
    return pictures.map(lambda image, truth: (tf.cast(image, tf.uint8), truth), num_parallel_calls=tf.data.AUTOTUNE)


def normalise(images: tf.Tensor, work: Work) -> tf.Tensor:
    gray = work.net == "lenet5"
    mean, std = ([0.1307], [0.3081]) if gray else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return (tf.cast(images, tf.float32) / 255.0 - mean) / std


def augment(images: tf.Tensor, work: Work) -> tf.Tensor:
    """The crops of the other contenders, a batch at a time, and mirroring above 28 pixels."""
    images, count = tf.cast(images, tf.float32), tf.shape(images)[0]
    if work.size == 224:
        area, ratio = (
            tf.random.uniform([count], 0.08, 1.0),
            tf.random.uniform([count], math.log(3 / 4), math.log(4 / 3)),
        )
        sides = tf.minimum(tf.stack([tf.sqrt(area * tf.exp(-ratio)), tf.sqrt(area * tf.exp(ratio))], 1), 1.0)
        corner = tf.random.uniform([count, 2]) * (1.0 - sides)
    else:
        border = 4 if work.size == 32 else (1 if work.target else 2)
        images = tf.pad(images, [[0, 0], [border, border], [border, border], [0, 0]])
        last = float(work.size + 2 * border - 1)
        corner = tf.cast(tf.random.uniform([count, 2], 0, 2 * border + 1, tf.int32), tf.float32) / last
        sides = tf.fill([count, 2], (work.size - 1) / last)
    boxes = tf.concat([corner, corner + sides], 1)
    images = tf.image.crop_and_resize(images, boxes, tf.range(count), (work.size, work.size))
    return images if work.size == 28 else tf.image.random_flip_left_right(images)


def build_pipeline(work: Work) -> tf.data.Dataset:
    """Training batches: decoded and cached in the first epoch."""
    pictures = read_pictures(work, "train")
    count = int(pictures.cardinality())
    pictures = pictures.cache().shuffle(count, seed=work.seed).batch(work.batch)
    return pictures.map(
        lambda images, truth: (normalise(augment(images, work), work), truth), num_parallel_calls=tf.data.AUTOTUNE
    ).prefetch(tf.data.AUTOTUNE)


def build_compiled(work: Work, steps: int) -> keras.Model:
    """A network ready for `fit`."""
    model = build_keras_network(work)
    if work.target:
        optimizer = keras.optimizers.AdamW(OneCycle(work.rate, steps), weight_decay=0.01)
    else:
        optimizer = keras.optimizers.SGD(work.rate, momentum=0.9)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=STEPS_PER_EXECUTION[work.variant],
    )
    return model


def trace(model: keras.Model, pictures: tf.data.Dataset, work: Work) -> None:
    """Lets `fit` build its graph, and puts weights and optimizer back: compilation is not measured."""
    weights = model.get_weights()
    model.fit(pictures.take(2 * STEPS_PER_EXECUTION[work.variant]), verbose=0)
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        if variable.path.rsplit("/", 1)[-1] != "learning_rate":
            variable.assign(tf.zeros_like(variable))


def prepare(work: Work) -> None:
    """Builds and traces once, which loads TensorFlow's kernels."""
    trace(build_compiled(work, 10), build_pipeline(work), work)


def run(work: Work) -> Timing:
    """Trains from the files with a fresh network."""
    keras.utils.set_random_seed(work.seed)
    keras.backend.clear_session()
    count = int(read_pictures(work, "train").cardinality())
    steps = work.epochs * math.ceil(count / work.batch)
    began = time.perf_counter()
    model = build_compiled(work, steps)
    trace(model, build_pipeline(work), work)
    setup_s = time.perf_counter() - began
    test = None
    if work.target:
        test = read_pictures(work, "test").batch(256).map(lambda images, truth: (normalise(images, work), truth))
    began = time.perf_counter()
    pictures = build_pipeline(work)
    read_s = time.perf_counter() - began
    clock = EpochClock()
    watch = TrainClock(clock, work.target, test)
    model.fit(pictures, epochs=work.epochs, callbacks=[watch], verbose=0)
    parameters = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return Timing(
        count * len(clock.epoch_s), read_s, clock.epoch_s, setup_s, watch.accuracies, parameters, "cached tf.data"
    )


if __name__ == "__main__":
    name = "Keras on TensorFlow"
    serve(name, prepare, run, {"keras": keras.__version__, "tensorflow": tf.__version__})
