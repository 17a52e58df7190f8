"""Sections about one neuron: its arithmetic, and one step of learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from striate.errors import RequestError
from striate.inside.learning import (
    LayerFlow,
    Loss,
    WeightStep,
    class_loss,
    gradient_flow,
    loss_terms,
    weight_step,
)
from striate.inside.neuron import NeuronSum, activated
from striate.inside.pointing import pointing_part
from striate.inside.subject import Subject
from striate.networks import build_network
from striate.pages import Column, Part, Section, chart, code, fact_list, heading, note, table
from striate.structures import Count

MOST_PRODUCTS = 20
"""Products that are listed where a window takes one value of each channel."""

MOST_NAMED = 24
"""Layers that a chart names on its axis; of more, the pointer tells the name."""

SWAPPED = ("sigmoid", "tanh", "relu")
CURVE_POINTS = 161


def neuron_section(subject: Subject, shown: NeuronSum) -> Section:
    """`activation(v1*w1 + v2*w2 + ... + b)` with its numbers."""
    call = subject.recording.find(shown.layer)
    y, x = shown.at_yx
    facts: dict[str, object] = {
        "layer": f"{shown.layer} ({type(call.module).__name__})",
        "unit": f"{shown.unit} of 0 to {call.units - 1}",
        "place": f"x = {x}, y = {y} of a map of {call.map_hw[1]} wide and {call.map_hw[0]} high",
        "products": f"{shown.window.size}",
        "the sum, added up here": f"{shown.total:.8g}",
        "the same in the network": f"{shown.computed:.8g}",
    }
    for step in shown.steps:
        facts[f"after {step.layer}"] = f"{step.value:.8g} (in the network {step.computed:.8g})"
    body: list[str | Part] = [fact_list(facts), code(_written_out(shown))]
    if shown.padded.any():
        body.append(
            f"{Count(int(shown.padded.sum())):place|places} of the window lie in the padding around the map: their "
            "values are 0."
        )
    pointed = pointing_part(subject.recording, shown)
    body.append(pointed or note("A linear layer sees all values of the layer before; there is no place to point at."))
    if shown.window.shape[1:] == (1, 1):
        body.append(_largest(shown))
    for step in shown.steps:
        if step.kind == "activation":
            body.append(_curve(subject, shown, step.layer))
    return Section("One neuron's arithmetic", body)


def _written_out(shown: NeuronSum) -> str:
    lines = [f"{shown.layer}[{shown.unit}] at (x={shown.at_yx[1]}, y={shown.at_yx[0]})", f"= {shown.formula(5)}"]
    for step in shown.steps:
        if step.kind == "activation":
            lines.append(f"{step.words}(...) = {step.value:.6g}")
        else:
            lines.append(f"{step.layer}: {step.words} = {step.value:.6g}")
    return "\n".join(lines)


def _largest(shown: NeuronSum) -> Part:
    """The products that say most, of a window of one value in each channel."""
    products = shown.products[:, 0, 0]
    rows = [
        {
            "channel": int(index) + shown.channels.start,
            "value": float(shown.window[index, 0, 0]),
            "weight": float(shown.kernel[index, 0, 0]),
            "product": float(products[index]),
        }
        for index in np.argsort(-np.abs(products), kind="stable")[:MOST_PRODUCTS]
    ]
    return table(rows, caption=f"The largest of {len(products)} products; the others and the bias make up the rest.")


def _curve(subject: Subject, shown: NeuronSum, layer: str) -> Part:
    """The activation's curve with the neuron's point on it."""
    from plotly import graph_objects

    module = subject.recording.calls.get(layer)
    owner = module.module if module is not None else subject.network.get_submodule(layer.split("#")[0])
    before = shown.total
    for step in shown.steps:
        if step.layer == layer:
            break
        before = step.value
    reach = max(4.0, 1.5 * abs(before))
    places = np.linspace(-reach, reach, CURVE_POINTS)
    figure = graph_objects.Figure()
    figure.add_scatter(x=places.tolist(), y=[activated(owner, float(at)) for at in places], mode="lines", name="curve")
    figure.add_scatter(
        x=[before],
        y=[activated(owner, before)],
        mode="markers",
        marker={"size": 11},
        name=f"this neuron: {before:.4g} becomes {activated(owner, before):.4g}",
    )
    figure.update_xaxes(title="the sum")
    figure.update_yaxes(title=type(owner).__name__)
    return chart(figure, f"{type(owner).__name__}, and where this neuron is on it.", height_px=300)


def learning_section(subject: Subject, layer: str, true_class: int, unit: int | None) -> Section | None:
    """Forward, compare, gradients back, the chain rule for one weight, the update; for classes of whole pictures."""
    scores = subject.recording.output
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2 or subject.run.facts.task != "classification":
        return None
    loss_of = class_loss(true_class)
    loss, flows = gradient_flow(subject.network, subject.pixels, loss_of)
    try:
        step = weight_step(subject.network, subject.pixels, loss_of, layer, unit)
    except RequestError:
        # Tied weights, as those of LeNet's C3, have no gradient of their own; the last linear layer has.
        step = weight_step(subject.network, subject.pixels, loss_of, _last_plain(subject), None)
    terms = sorted(loss_terms(scores, true_class, subject.classes), key=lambda one: -one.probability)
    rows = [
        {
            "class": term.class_name,
            "score": term.score,
            "probability": term.probability,
            "target": term.target,
            "term": term.term,
        }
        for term in terms[:12]
    ]
    columns = [
        Column("class"),
        Column("score"),
        Column("probability", "", ".4f"),
        Column("target", "", ".0f"),
        Column("term", "-target * log(probability)", ".4f"),
    ]
    return Section(
        "One step of learning",
        [
            f"Taking {subject.classes[true_class]!r} for the truth, the loss is {loss:.6g}.",
            heading("The comparison"),
            table(rows, columns),
            heading("Gradients, from the loss back to the picture"),
            _flow_chart({"this network": flows}),
            heading(
                f"The chain rule for one weight: {step.layer}[{step.unit}, {step.channel}] at "
                f"(x={step.at_yx[1]}, y={step.at_yx[0]})"
            ),
            code(chain_words(step)),
            note(
                "The weight is the one with the largest gradient in its layer. Normalisation uses the statistics of "
                "training, as it does when the network answers. The step is plain gradient descent, so that its effect "
                "can be foretold; training takes cleverer ones."
            ),
            *_swapped(subject, loss_of),
        ],
    )


def _last_plain(subject: Subject) -> str:
    plain = [
        call.name
        for call in subject.recording.of_kind("convolution", "linear")
        if isinstance(call.module, nn.Conv2d | nn.Linear)
    ]
    return plain[-1]


def chain_words(step: WeightStep) -> str:
    """The chain rule with its numbers, line by line."""
    first = step.terms[0]
    lines = [
        "dLoss/dw = sum over all places of (dLoss/dsum at the place) * (value under the weight there)",
        f"         = sum of {step.places} terms",
    ]
    for term in step.terms:
        lines.append(
            f"           (x={term.at_yx[1]}, y={term.at_yx[0]}): {term.delta:.5g} * {term.value:.5g} = "
            f"{term.product:.5g}"
        )
    if step.places > len(step.terms):
        rest = step.gradient - sum(term.product for term in step.terms)
        lines.append(f"           {step.places - len(step.terms)} more: {rest:.5g}")
    lines += [f"         = {step.gradient:.8g}", f"autograd : {step.autograd:.8g}", ""]
    lines.append(f"dLoss/dsum at (x={first.at_yx[1]}, y={first.at_yx[0]}), by the chain rule:")
    lines.append(f"  {step.chain_start:.5g}  the loss by what comes out of the last of these layers")
    lines += [f"  * {link.value:.5g}  {link.layer}: {link.words}" for link in step.chain]
    product = step.chain_start * float(np.prod([link.value for link in step.chain]))
    lines += [
        f"  = {product:.5g}",
        "",
        f"update   : {step.weight:.8g} - {step.rate:g} * {step.gradient:.5g} = {step.updated:.8g}",
        f"loss     : {step.loss:.8g} before, {step.loss_after_one:.8g} after this weight's step",
        f"           (foretold by the gradient: {step.loss + step.predicted_change:.8g})",
        f"           {step.loss_after_all:.8g} after a step of all weights",
    ]
    return "\n".join(lines)


def _flow_chart(flows: dict[str, list[LayerFlow]]) -> Part:
    from plotly import graph_objects

    figure = graph_objects.Figure()
    for name, layers in flows.items():
        weighted = [flow for flow in layers if flow.weight_gradient is not None]
        figure.add_scatter(
            x=[flow.name for flow in weighted],
            y=[max(flow.gradient, 1e-30) for flow in weighted],
            mode="lines+markers",
            name=name,
        )
    figure.update_yaxes(type="log", title="gradient of the loss (root mean square)", exponentformat="power")
    few = all(sum(flow.weight_gradient is not None for flow in layers) <= MOST_NAMED for layers in flows.values())
    figure.update_xaxes(title="layers with weights, from the picture to the answer", showticklabels=few)
    return chart(figure, "Size of the gradient at each layer with weights.", height_px=340)


def _swapped(subject: Subject, loss_of: Loss) -> list[str | Part]:
    """The same weights with other activation functions: what comes back to the first layers."""
    options = subject.run.facts.options
    flows: dict[str, list[LayerFlow]] = {}
    rows = []
    for name in SWAPPED:
        try:
            other = build_network(subject.run.facts.net, replace(options, activation=name))
        except RequestError:
            # timm's networks have their own activations and no others.
            return []
        other.load_state_dict(subject.network.state_dict())
        loss, found = gradient_flow(other.eval(), subject.pixels, loss_of)
        flows[name] = found
        weighted = [flow for flow in found if flow.weight_gradient is not None]
        rows.append(
            {
                "activation": name,
                "loss": loss,
                "first": weighted[0].gradient,
                "last": weighted[-1].gradient,
                "ratio": weighted[0].gradient / max(weighted[-1].gradient, 1e-300),
            }
        )
    columns = [
        Column("activation"),
        Column("loss"),
        Column("first", "gradient at the first layer", ".3g"),
        Column("last", "at the last", ".3g"),
        Column("ratio", "first / last", ".3g"),
    ]
    return [
        heading("The same weights with other activations"),
        "What the activation does to gradients on their way back; the weights were learned with the network's own.",
        table(rows, columns),
        _flow_chart(flows),
    ]
