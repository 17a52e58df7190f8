"""Two processes give what one would."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from striate.training.distribution import SharedBatchNorm, World, share_batch_norms, sum_numbers

WORKER = Path(__file__).with_name("gloo_worker.py")


@pytest.mark.slow
def test_two_gloo_processes_train_to_the_weights_of_one(tmp_path: Path) -> None:
    from torch.distributed.run import main as launch

    launch(["--standalone", "--nproc-per-node", "2", str(WORKER), str(tmp_path)])
    alone = torch.load(tmp_path / "0-of-1.pt", weights_only=True)
    for rank in range(2):
        shared = torch.load(tmp_path / f"{rank}-of-2.pt", weights_only=True)
        assert shared.keys() == alone.keys()
        for name, tensor in alone.items():
            assert torch.allclose(shared[name].float(), tensor.float(), atol=1e-5), name


def test_alone_nothing_is_replaced_or_summed() -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
    assert share_batch_norms(model, World()) is model
    assert type(model[1]) is nn.BatchNorm2d
    assert sum_numbers([1.5, 2.0], World(), torch.device("cpu")) == [1.5, 2.0]


def test_activations_that_ride_on_a_batch_norm_are_kept() -> None:
    from timm.layers import BatchNormAct2d

    model = nn.Sequential(BatchNormAct2d(3))
    x = torch.randn(2, 3, 4, 4)
    expected = model.eval()(x)
    keys = model.state_dict().keys()
    shared = share_batch_norms(model, World(rank=0, size=2))
    assert isinstance(shared[0], SharedBatchNorm)
    assert torch.equal(shared.eval()(x), expected)
    assert shared.state_dict().keys() == keys


def test_shared_batch_norm_in_evaluation_is_batch_norm() -> None:
    shared, plain = SharedBatchNorm(3), nn.BatchNorm2d(3)
    with torch.no_grad():
        for module in (shared, plain):
            module.running_mean.copy_(torch.tensor([1.0, 2.0, 3.0]))
            module.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(shared.eval()(x), plain.eval()(x))
    assert shared.state_dict().keys() == plain.state_dict().keys()
