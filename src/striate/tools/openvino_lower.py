"""OpenVINO networks computed in whole numbers, by its makers' own quantiser NNCF, which is kept from reporting."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from striate.tools.telemetry import without_telemetry
from striate.tools.weighted import Node, first_layers, last_layers

WEIGHTED = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")


def quantise(model: Any, calibration: Sequence[npt.NDArray[np.generic]]) -> Any:
    """The network with layers that compute in whole numbers of 8 bits.

    Processors without VNNI add two products in 16 bits, which can overflow. NNCF's remedy, 7 bits for weights, is taken
    for the first layer alone, as by default: in all layers it cost ResNet-18 1.5 points on such a processor, where
    8 bits cost nothing. Whether they do elsewhere the gate finds out, on each kind of processor for itself.

    Args:
        model: OpenVINO's model in fp32.
        calibration: Stored pixels `(1, C, H, W)` each.
    """
    # It imports parts of itself as it needs them, and draws progress on standard output, which belongs to answers.
    with without_telemetry(), contextlib.redirect_stdout(io.StringIO()):
        import nncf

        nncf.set_log_level(40)  # logging.ERROR
        return nncf.quantize(
            model,
            nncf.Dataset(list(calibration)),
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(calibration),
            ignored_scope=nncf.IgnoredScope(names=_kept(model), validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.FIRST_LAYER),
        )


def _kept(model: Any) -> list[str]:
    """Names of the operations that stay in fp32."""
    nodes = [
        Node(
            operation.get_friendly_name(),
            operation.get_type_name() in WEIGHTED,
            tuple(value.get_node().get_friendly_name() for value in operation.input_values()),
            (operation.get_friendly_name(),),
        )
        for operation in model.get_ordered_ops()
        if operation.get_type_name() not in ("Constant", "Parameter", "Result")
    ]
    return list(dict.fromkeys([*first_layers(nodes), *last_layers(nodes)]))
