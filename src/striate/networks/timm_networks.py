"""Any network of the timm library (Wightman 2019) by `timm/NAME`, resolved when asked for."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import RequestError, cause_of
from striate.networks.base import Network, NetworkInfo, NetworkOptions
from striate.networks.layers import ACTIVATIONS
from striate.structures import FeatureSpec, Stage

PREFIX = "timm/"


@functools.cache
def timm_names() -> tuple[str, ...]:
    """Names of all architectures in timm, without their weight tags."""
    import timm

    return tuple(timm.list_models())


class PointwiseHead(nn.Module):
    """A 1 x 1 convolution as the last layer of an embedding; the convolution stays where it was in its network."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        """`(N, D)` to `(N, classes)`."""
        return torch.flatten(self.convolution(x[:, :, None, None]), 1)


class TimmNetwork(Network):
    """A timm model behind the interface of all networks; its keys carry the prefix `model.`.

    Maps are as timm gives them: a few networks (Inception, Xception, NASNet) lose borders, so that theirs are some
    positions smaller than H/stride.

    Args:
        name: timm's name, with or without a weight tag.
        options: Classes, channels, size (for models with a fixed one), activation and dropout; the stem is timm's.

    Raises:
        RequestError: An option that this model does not take, or more than one last layer.
    """

    def __init__(self, name: str, options: NetworkOptions) -> None:
        super().__init__()
        self.timm_name = name
        self.arguments = _arguments(name, options)
        # Any, because the methods of timm's models that are called here are on no common base class.
        self.model: Any
        self.add_module("model", _create(name, self.arguments, options))
        if not isinstance(self.model.get_classifier(), nn.Linear | nn.Conv2d):
            self._check_head(options)

    def _check_head(self, options: NetworkOptions) -> None:
        """Runs once without storage: timm has models whose last layers are several, or not behind the embedding."""
        error: Exception | None = None
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        meta = {name: value.detach().to("meta") for name, value in tensors.items()}
        self.eval()
        try:
            if isinstance(self.model.get_classifier(), nn.Module):
                x = torch.zeros(1, options.channels, *options.size_hw, device="meta")
                if torch.func.functional_call(self, meta, (x,)).shape == (1, options.classes):
                    return
        except (RuntimeError, IndexError, NotImplementedError) as caught:
            error = caught
        finally:
            self.train()
        raise RequestError(
            f"timm/{self.timm_name} has no single last layer that turns its embedding into class scores.",
            where="network",
            fix="Choose another network of timm.",
        ) from error

    @property
    def feature_spec(self) -> FeatureSpec:
        """Stages as timm's `feature_info` gives them."""
        rows = self.model.feature_info
        rows = rows if isinstance(rows, list) else rows.get_dicts()
        return FeatureSpec(
            tuple(Stage(_stage_name(row, index), row["num_chs"], row["reduction"]) for index, row in enumerate(rows, 1))
        )

    @property
    def head(self) -> nn.Module:
        """The last layer."""
        classifier: nn.Module = self.model.get_classifier()
        return PointwiseHead(classifier) if isinstance(classifier, nn.Conv2d) else classifier

    @property
    def class_layers(self) -> tuple[nn.Module, ...]:
        """The last layer, as it is in timm's model."""
        return (self.model.get_classifier(),)

    def forward_features(self, x: Tensor) -> dict[str, Tensor]:
        """Maps by stage name.

        Raises:
            RequestError: This model of timm does not give its stages.
        """
        if not hasattr(self.model, "forward_intermediates"):
            raise RequestError(
                f"timm/{self.timm_name} does not give the maps of its stages.",
                where="network",
                fix="Choose another network for this task.",
            )
        names = [stage.name for stage in self.feature_spec]
        maps = self.model.forward_intermediates(x, indices=list(range(len(names))), intermediates_only=True)
        return dict(zip(names, maps, strict=True))

    def embed(self, x: Tensor) -> Tensor:
        """What the last layer gets: `(N, D)`."""
        features: Tensor = self.model.forward_head(self.model.forward_features(x), pre_logits=True)
        return torch.flatten(features, 1)


def _stage_name(row: dict[str, Any], index: int) -> str:
    return str(row["module"]).replace(".", "_") or f"stage{index}"


def _arguments(name: str, options: NetworkOptions) -> dict[str, Any]:
    """Keyword arguments of `timm.create_model`."""
    import timm

    if options.pooling is not None or options.stem == "small":
        what = "pooling" if options.pooling is not None else "stem"
        raise RequestError(
            f"timm/{name} keeps its own {what}.",
            where=what,
            fix="Leave the option out, or use one of Striate's own networks (`striate nets`).",
        )
    arguments: dict[str, Any] = {"num_classes": options.classes, "in_chans": options.channels}
    if options.dropout is not None:
        arguments["drop_rate"] = options.dropout
    if options.activation is not None:
        arguments["act_layer"] = _activation_factory(options.activation)
    configuration = timm.get_pretrained_cfg(name)
    if configuration is not None and configuration.fixed_input_size:
        arguments["img_size"] = options.size_hw
    return arguments


def _activation_factory(name: str) -> Callable[..., nn.Module]:
    build = ACTIVATIONS.get(name)

    def build_out_of_place(inplace: bool = False) -> nn.Module:  # noqa: ARG001 - timm passes it to every activation
        return build()

    return build_out_of_place


def _create(name: str, arguments: dict[str, Any], options: NetworkOptions) -> nn.Module:
    import timm

    try:
        model: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    except (TypeError, AssertionError, ValueError, RuntimeError) as error:
        raise RequestError(
            f"timm/{name} cannot be built with classes={options.classes}, channels={options.channels}, "
            f"size_hw={options.size_hw}, activation={options.activation}, dropout={options.dropout} "
            f"({cause_of(error)}).",
            where="network",
            fix="Leave out what this network does not take, or choose another.",
        ) from error
    return model


def describe_timm(name: str) -> NetworkInfo:
    """The row of the table of networks for one model of timm; `name` stands without the prefix."""
    import timm

    configuration = timm.get_pretrained_cfg(name)
    identifier = str(getattr(configuration, "paper_ids", None) or "")
    year = re.search(r"(\d\d)\d\d\.\d{4,5}", identifier)
    title = getattr(configuration, "paper_name", None) or "see timm's page of this model"
    size = getattr(configuration, "input_size", None) or (3, 224, 224)

    def build(options: NetworkOptions) -> Network:
        return TimmNetwork(name, options)

    return NetworkInfo(
        name=PREFIX + name,
        family="timm",
        year=2000 + int(year.group(1)) if year else 2019,
        authors="Ross Wightman and contributors (timm)",
        paper=f"{title} ({identifier})" if identifier else "PyTorch Image Models, 2019",
        build=build,
        size_hw=(int(size[1]), int(size[2])),
        note="From the timm library, with its own stem and pooling.",
    )
