"""Every term can be looked up, leads to others, and names a command that exists."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

import striate
from striate.claims import CLAIMS
from striate.cli import main
from striate.cli.commands import COMMANDS
from striate.errors import UnknownNameError
from striate.glossary import TERMS, Term, explain
from striate.networks.heads import HEADS
from striate.recipe import Recipe

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize("term", list(TERMS), ids=lambda term: term.name)
def test_terms_are_whole_and_their_links_lead_somewhere(term: Term) -> None:
    assert term.text.endswith((".", "?"))
    assert 1 <= len(re.findall(r"[.?](?:\s|$)", term.text)) <= 3
    assert [name for name in term.related if name not in TERMS] == []
    assert term.name not in term.related
    for other in (term.name, *term.also, f"{term.name}s"):
        assert explain(other) is term


@pytest.mark.parametrize("term", [term for term in TERMS if term.shown_by], ids=lambda term: term.name)
def test_named_commands_exist_with_their_options(term: Term, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(term.shown_by)
    assert words.pop(0) == "striate"
    name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    assert name in COMMANDS
    assert main([*name.split(), "--help"]) == 0
    helped = capsys.readouterr().out
    for word in words:
        if word.startswith("--"):
            assert word in helped, f"{name} has no {word}"
    if "--set" in words:
        field, value = words[words.index("--set") + 1].split("=")
        Recipe().with_values({field: value})
        if field == "network.head":
            assert value in HEADS
    if "--only" in words:
        assert words[words.index("--only") + 1] in CLAIMS


def test_names_of_several_terms_do_not_collide() -> None:
    names = [other.lower() for term in TERMS for other in (term.name, *term.also)]
    assert len(names) == len(set(names))


def test_an_unknown_term_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"there is no term 'poolin' in the glossary. Nearest: pooling"):
        explain("poolin")


def test_the_command_and_the_function_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "feature", "maps"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert " ".join(str(striate.explain("feature map")).split()) == shown
    assert main(["explain", "pooling", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["term"] == "pooling"
    assert main(["explain", "flurb"]) == 2


NEEDED = """artificial intelligence, machine learning, deep learning, neural network, neuron, activation function,
forward propagation, back propagation, underfitting, overfitting, convolution, kernel, feature map, pooling, channel,
classification, detection, semantic segmentation, instance segmentation, LeNet, AlexNet, VGG, GoogLeNet, ResNet,
PyTorch, Keras, TensorFlow, sigmoid, tanh, ReLU, softmax, gradient, learning rate, batch normalisation, dropout,
skip connection, receptive field, stride, padding, bounding box, mask, IoU, mAP, Dice, AUROC, calibration, baseline,
verdict, recipe"""


@pytest.mark.parametrize("name", [name.strip() for name in NEEDED.replace("\n", " ").split(",")])
def test_the_terms_of_the_course_are_there(name: str) -> None:
    assert explain(name).text


def test_terms_of_the_docs_are_there() -> None:
    """What the docs set in bold as a term, and every word of the field that they use."""
    text = " ".join(path.read_text(encoding="utf-8").lower() for path in DOCS.glob("*.md"))
    words = """backbone, head, epoch, batch, loss, augmentation, mixup, label smoothing, dropout, optimizer,
    learning rate, weight decay, leakage, test split, validation split, pretrained weights, imagenet, mean iou, tiles,
    u-net, mask r-cnn, grad-cam, occlusion, integrated gradients, receptive field, softmax, relu, tanh, sigmoid,
    precision, recall, f1, confusion matrix, channel, kernel, pooling, stride, normalisation, skip connection"""
    missing = []
    for word in (" ".join(word.split()) for word in words.split(",")):
        if word in text:
            try:
                explain(word)
            except UnknownNameError:
                missing.append(word)
    assert missing == []
