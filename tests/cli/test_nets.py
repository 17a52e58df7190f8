from __future__ import annotations

import json
from typing import Any

import pytest

from striate.cli import main, nets
from striate.cli.nets import field_words, short_authors, short_count
from striate.networks import NETWORKS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def counted() -> list[dict[str, Any]]:
    """Rows of all networks. Counting through every network takes seconds, so the tests share it."""
    return nets.network_rows(NETWORKS.names())


@pytest.fixture
def table(counted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "network_rows", lambda names, progress: counted)


@pytest.mark.usefixtures("table")
def test_the_table_for_a_program(capsys: Capture) -> None:
    assert main(["nets", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(rows) == set(NETWORKS.names())
    # LeCun et al. 1998, section II.B: 60,000 trainable parameters; He et al. 2016, table 6: 0.27 M for ResNet-20.
    assert rows["lenet5_1998"]["parameters"] == 60_000
    assert round(rows["resnet20"]["parameters"] / 1e6, 2) == 0.27
    assert rows["resnet18"]["depth"] == 18
    assert rows["vgg16"]["receptive_field_hw"] == [212, 212]
    assert all(row["published"] == [] or row["published"][0]["source"] for row in rows.values())
    years = [row["year"] for row in rows.values()]
    assert years == sorted(years)


@pytest.mark.usefixtures("table")
def test_the_table_fits_a_terminal(capsys: Capture) -> None:
    assert main(["nets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith("resnet")]) == 10


def test_one_network_in_detail(capsys: Capture) -> None:
    assert main(["nets", "lenet5_1998"]) == 0
    text = capsys.readouterr().out
    assert "60,000" in text
    assert "Subsampling" in text
    assert main(["nets", "resnet18", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert [stage["stride"] for stage in row["stages"]][-1] == 32
    assert sum(layer["parameters"] for layer in row["layers"]) == row["parameters"] == 11_689_512


def test_an_unknown_network(capsys: Capture) -> None:
    assert main(["nets", "resnet19"]) == 2
    assert "there is no network named 'resnet19'. Nearest: resnet1" in capsys.readouterr().err


def test_numbers_and_names_in_short() -> None:
    assert [short_count(count) for count in (7, 60_000, 1_814_073_344, 138_357_544, 11_689_512)] == [
        "7",
        "60.0k",
        "1.81G",
        "138M",
        "11.7M",
    ]
    assert short_authors("Yann LeCun, Léon Bottou") == "LeCun et al."
    assert short_authors("Ross Wightman") == "Wightman"
    assert (field_words([16, 16]), field_words([16, 20]), field_words(None)) == ("16", "16 x 20", "all")
