"""One step of learning: the chain rule by hand is automatic differentiation's, and the loss falls as foretold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from striate.errors import RequestError
from striate.inside.learning import class_loss, gradient_flow, loss_terms, weight_step
from striate.networks import NetworkOptions, build_network


class OneNeuron(nn.Module):
    """`relu(w * v + b)` against nothing: the smallest network with a chain."""

    def __init__(self) -> None:
        super().__init__()
        self.sum = nn.Linear(1, 1)
        self.act = nn.Sigmoid()
        self.out = nn.Linear(1, 2, bias=False)
        with torch.no_grad():
            self.sum.weight.fill_(0.5)
            self.sum.bias.fill_(-0.25)
            self.out.weight.copy_(torch.tensor([[1.0], [-1.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.act(self.sum(x.flatten(1))))


def test_a_chain_by_hand() -> None:
    step = weight_step(OneNeuron(), torch.tensor([[[[2.0]]]]), class_loss(0), "sum", rate=0.1)
    total = 0.5 * 2 - 0.25
    said = 1 / (1 + math.exp(-total))
    # Softmax of (s, -s): the loss is log(1 + exp(-2 s)), its derivative by s is -2 / (1 + exp(2 s)).
    by_said = -2 / (1 + math.exp(2 * said))
    slope = said * (1 - said)
    assert step.loss == pytest.approx(math.log(1 + math.exp(-2 * said)))
    assert step.chain_start == pytest.approx(by_said)
    assert [link.value for link in step.chain] == [pytest.approx(slope)]
    assert step.terms[0].delta == pytest.approx(by_said * slope)
    assert step.gradient == pytest.approx(by_said * slope * 2)
    assert step.autograd == pytest.approx(step.gradient)
    assert step.updated == pytest.approx(0.5 - 0.1 * step.gradient)
    assert step.loss_after_one == pytest.approx(step.loss + step.predicted_change, rel=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "alexnet",
        "resnet18",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("vgg11_bn", "googlenet", "timm/tf_efficientnet_lite0")
        ),
    ],
)
def test_the_chain_rule_is_that_of_autograd_in_every_family(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(name, NetworkOptions(classes=4, channels=3, size_hw=(64, 64))).eval()
    picture = torch.randn(1, 3, 64, 64)
    convolutions = [each for each, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    for layer in (convolutions[0], convolutions[len(convolutions) // 2]):
        if layer.startswith("aux"):
            continue
        step = weight_step(network, picture, class_loss(1), layer, rate=1e-4)
        assert step.gradient == pytest.approx(step.autograd, rel=1e-9, abs=1e-15)
        product = step.chain_start * float(np.prod([link.value for link in step.chain]))
        assert product == pytest.approx(step.terms[0].delta, rel=1e-9, abs=1e-15)
        assert step.loss_after_all <= step.loss


def test_what_the_loss_is_made_of() -> None:
    terms = loss_terms(torch.tensor([[0.0, math.log(3.0)]]), 1, ("a", "b"))
    assert [term.probability for term in terms] == pytest.approx([0.25, 0.75])
    assert [term.term for term in terms] == pytest.approx([0.0, -math.log(0.75)])


def test_saturated_sigmoids_send_little_back() -> None:
    flows = {}
    for activation in ("sigmoid", "relu"):
        torch.manual_seed(0)
        options = NetworkOptions(classes=3, channels=1, size_hw=(32, 32), activation=activation)
        network = build_network("lenet5", options).eval()
        loss, flows[activation] = gradient_flow(network, torch.randn(1, 1, 32, 32), class_loss(0))
        assert loss > 0
    ratios = {name: found[0].gradient / found[-1].gradient for name, found in flows.items()}
    assert ratios["sigmoid"] < ratios["relu"]


def test_a_chosen_weight_is_the_one_followed() -> None:
    torch.manual_seed(0)
    network = build_network("lenet5", NetworkOptions(classes=3, channels=1, size_hw=(32, 32))).eval()
    picture = torch.randn(1, 1, 32, 32)
    step = weight_step(network, picture, class_loss(0), "c3", 5, channel=2, at_yx=(1, 4))
    assert (step.unit, step.channel, step.at_yx) == (5, 2, (1, 4))
    assert step.weight == pytest.approx(float(network.c3.weight[5, 2, 1, 4]))
    assert step.places == 100
    with pytest.raises(RequestError, match="16 x 6 x 5 x 5 weights, and 16 lies outside"):
        weight_step(network, picture, class_loss(0), "c3", 16)
