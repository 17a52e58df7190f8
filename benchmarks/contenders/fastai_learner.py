"""fastai at its defaults: ImageDataLoaders.from_folder and a Learner with the same network."""

from __future__ import annotations

import time
from functools import partial

import fastai
import fastai.callback.progress
import fastai.callback.schedule  # Both add methods to Learner.
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.data.transforms import Normalize
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.metrics import accuracy
from fastai.optimizer import SGD
from fastai.vision.augment import CropPad, Flip, PadMode, RandomCrop, RandomResizedCrop
from fastai.vision.core import PILImage, PILImageBW, imagenet_stats
from fastai.vision.data import ImageDataLoaders
from protocol import EpochClock, Timing, Work, serve
from torch_networks import build_torch_network, count_parameters


class TrainClock(Callback):
    """Stops the time of each epoch's training part, and ends the run at the accuracy asked for."""

    def __init__(self, clock: EpochClock, target: float) -> None:
        super().__init__()
        self.clock, self.target, self.accuracies = clock, target, []

    def before_train(self) -> None:
        """An epoch's training begins."""
        self.clock.start()

    def after_train(self) -> None:
        """It ends."""
        self.clock.stop()

    def after_epoch(self) -> None:
        """The test split was measured as fastai's validation split."""
        if self.target:
            self.accuracies.append(float(self.learn.recorder.values[-1][-1]))
            if self.accuracies[-1] >= self.target:
                raise CancelFitException


TrainClock.order = 60  # After the Recorder (50), which collects the figures of the epoch.


def build_loaders(work: Work) -> ImageDataLoaders:
    """The loaders of fastai's tutorials, with its default number of worker processes."""
    gray = work.net == "lenet5"
    if work.size == 224:
        item = [RandomResizedCrop(224, min_scale=0.08)]
    else:
        border = 8 if work.size == 32 else (2 if work.target else 4)
        item = [CropPad(work.size + border, pad_mode=PadMode.Zeros), RandomCrop(work.size)]
    batch = [Normalize.from_stats([0.1307], [0.3081])] if gray else [Flip(), Normalize.from_stats(*imagenet_stats)]
    return ImageDataLoaders.from_folder(
        work.data,
        train="train",
        valid="test" if work.target else "validation",
        bs=work.batch,
        item_tfms=item,
        batch_tfms=batch,
        img_cls=PILImageBW if gray else PILImage,
        device=torch.device("cpu"),
    )


def prepare(work: Work) -> None:
    """Two steps on noise."""
    network = build_torch_network(work.net, work.size)
    images = torch.randn(work.batch, 1 if work.net == "lenet5" else 3, work.size, work.size)
    for _ in range(2):
        torch.nn.functional.cross_entropy(network(images), torch.zeros(work.batch, dtype=torch.int64)).backward()


def run(work: Work) -> Timing:
    """Trains from the files with a fresh network."""
    torch.manual_seed(work.seed)
    network = build_torch_network(work.net, work.size)
    began = time.perf_counter()
    loaders = build_loaders(work)
    read_s = time.perf_counter() - began
    clock = EpochClock()
    watch = TrainClock(clock, work.target)
    options = {} if work.target else {"opt_func": partial(SGD, mom=0.9)}
    learner = Learner(loaders, network, loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=watch, **options)
    with learner.no_bar(), learner.no_logging():
        if work.target:
            learner.fit_one_cycle(work.epochs, work.rate)
        else:
            learner.fit(work.epochs, work.rate)
    # fastai leaves out the last, partial batch.
    steps = len(loaders.train)
    images = steps * work.batch * len(clock.epoch_s)
    detail = f"{loaders.train.fake_l.num_workers} workers, {torch.get_num_threads()} threads"
    return Timing(images, read_s, clock.epoch_s, 0.0, watch.accuracies, count_parameters(network), detail)


if __name__ == "__main__":
    serve("fastai", prepare, run, {"fastai": fastai.__version__, "torch": torch.__version__})
