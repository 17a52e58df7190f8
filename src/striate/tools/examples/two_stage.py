"""What the example of a network with two stages does in place of what one graph does; see `example.py`.

What follows the marker stands in the script that is handed over, after the loading and preparing of pictures.
"""

from functools import partial

import numpy as np

from striate.tools.examples.example import ABOUT, HERE, doubted, load, once, overlaps, prepare, softmax, tell

# <steps>
HOW = ABOUT.get("proposing", {})


def apart(corners, scores, shared):
    """Indices of boxes, the surest first, without those that share more than so much of their area with a surer one."""
    kept, order = [], np.argsort(-scores, kind="stable")
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[overlaps(corners[best : best + 1], corners[rest])[0] <= shared]
    return np.array(kept, int)


def moved(corners, edges, weights):
    """Boxes `(n, 4)` after their middles moved and their sides grew by `edges` `(n, 4)`, cut at the network's input."""
    sides = corners[:, 2:] - corners[:, :2]
    middles = corners[:, :2] + sides / 2 + edges[:, :2] / weights[:2] * sides
    sides = sides * np.exp(np.minimum(edges[:, 2:] / weights[2:], np.log(1000 / 16)))
    height, width = ABOUT["input"]["shape"][2:]
    return np.clip(np.hstack([middles - sides / 2, middles + sides / 2]), 0, [width, height, width, height])


def proposals(objectness, edges):
    """Boxes that may hold an object, `(n, 4)`, from the maps of every level, the surest first."""
    found, sureness = [], []
    size = np.array(ABOUT["input"]["shape"][2:])
    for level, (sure, edge) in enumerate(zip(objectness, edges, strict=True)):
        shapes = np.array(HOW["anchors"][level], np.float32)
        count, height, width = sure.shape
        y, x = np.indices((height, width), np.float32) + 0.5
        middles = np.stack([x * (size[1] / width), y * (size[0] / height)] * 2, -1)
        anchors = (middles[:, :, None] + shapes).reshape(-1, 4)
        own, edges_of = sure.transpose(1, 2, 0).ravel(), edge.reshape(count, 4, height, width)
        top = np.argsort(-own, kind="stable")[: HOW["most_of_a_level"]]
        corners = moved(anchors[top], edges_of.transpose(2, 3, 0, 1).reshape(-1, 4)[top], np.ones(4))
        large = (corners[:, 2:] - corners[:, :2] >= HOW["least_side"]).all(1)
        corners, own = corners[large], own[top][large]
        kept = apart(corners, own, HOW["proposals_apart"])
        found.append(corners[kept])
        sureness.append(own[kept])
    best = np.argsort(-np.concatenate(sureness), kind="stable")[: HOW["most_proposals"]]
    return np.concatenate(found)[best]


def between(places, size):
    """What each of `size` neighbours counts at a place among them; beyond the ends it is the last one."""
    return np.clip(1 - abs(np.clip(places, 0, size - 1)[..., None] - np.arange(size)), 0, None)


def shares(low, high, size, cells):
    """What every place of a map counts in every cell of what is cut out from `low` to `high`: `(n, cells, size)`."""
    step = np.maximum(high - low, 1) / cells
    places = low[:, None] + (np.arange(2 * cells) + 0.5) / 2 * step[:, None]
    inside = (places >= -1) & (places <= size)
    # The mean of two samples in each cell.
    return (between(places, size) * inside[..., None]).reshape(len(low), cells, 2, size).mean(2)


def cut_out(levels, corners, cells):
    """Squares `(n, C, cells, cells)` around boxes, each from the map whose anchors are nearest in size."""
    sides = np.sqrt(np.prod(corners[:, 2:] - corners[:, :2], 1))
    homes = np.searchsorted(HOW["borders"], sides)
    cut = np.zeros((len(corners), levels[0].shape[0], cells, cells), np.float32)
    for level, (maps, scale) in enumerate(zip(levels, HOW["scales"], strict=True)):
        x0, y0, x1, y1 = (corners[homes == level] * scale).T
        down, across = shares(y0, y1, maps.shape[1], cells), shares(x0, x1, maps.shape[2], cells)
        cut[homes == level] = np.einsum("nyh,chw,nxw->ncyx", down, maps, across, optimize=True)
    return cut


def objects(levels, corners, look):
    """Class, score and corners of what the boxes hold, the surest first: `(n,)`, `(n,)` and `(n, 4)`."""
    cells = ABOUT["looks"]["boxes"]["shape"][-1]
    scores, edges = look(cut_out(levels, corners, cells))
    scores, edges = softmax(scores, 1), edges.reshape(len(scores), -1, 4)
    found = []
    for kind in range(1, scores.shape[1]):
        sure = scores[:, kind] > HOW["least_score"]
        boxes, own = moved(corners[sure], edges[sure, kind], np.array(HOW["edge_weights"])), scores[sure, kind]
        large = (boxes[:, 2:] - boxes[:, :2] >= 0.01).all(1)
        boxes, own = boxes[large], own[large]
        found += [(kind - 1, own[index], boxes[index]) for index in apart(boxes, own, HOW["objects_apart"])]
    found = sorted(found, key=lambda one: -one[1])[: HOW["most_objects"]]
    kinds, sureness, boxes = zip(*found, strict=True) if found else ((), (), ())
    return np.array(kinds, int), np.array(sureness, np.float32), np.array(boxes, np.float32).reshape(-1, 4)


def pixels_of(share, box, size):
    """Pixels of an object in its picture `(H, W)`: `share` `(m, m)` says for each part of the box how surely."""
    # Half a cell of nothing around it, so that an object may end at the edge of its box.
    share, grown = np.pad(share, 1), (box[2:] - box[:2]) / 2 * (len(share) + 2) / len(share)
    middle = (box[:2] + box[2:]) / 2
    (left, top), (right, bottom) = (middle - grown).astype(int), (middle + grown).astype(int)
    width, height = max(right - left + 1, 1), max(bottom - top + 1, 1)
    down, across = (
        between((np.arange(side) + 0.5) * len(share) / side - 0.5, len(share)).astype(np.float32)
        for side in (height, width)
    )
    drawn = down @ share @ across.T >= 0.5
    plane = np.zeros(size, bool)
    rows, columns = np.arange(max(top, 0), min(bottom + 1, size[0])), np.arange(max(left, 0), min(right + 1, size[1]))
    plane[np.ix_(rows, columns)] = drawn[np.ix_(rows - top, columns - left)]
    return plane


def answer(run, looks, path):
    """What the network says about a picture, in words."""
    pixels, scale, offset, size = prepare(path)
    outputs = dict(zip(ABOUT["outputs"], run(pixels), strict=True))
    levels, objectness, edges = (
        [value[0] for name, value in outputs.items() if name.split(".")[0] == part]
        for part in ("levels", "objectness", "edges")
    )
    corners = proposals(objectness, edges)
    if not len(corners):
        return ""
    kinds, scores, boxes = objects(levels, corners, looks["boxes"])
    sure = scores >= ABOUT["count_from"]
    kinds, scores, boxes = kinds[sure], scores[sure], boxes[sure]
    shift, factor = np.array([offset[1], offset[0]] * 2), np.array([scale[1], scale[0]] * 2)
    corners = np.clip((boxes - shift) / factor, 0, size * 2)
    shared, drawn = overlaps(corners, corners), [""] * len(boxes)
    pixels_shared = shared.copy()
    if "masks" in looks and len(boxes):
        planes = looks["masks"](cut_out(levels, boxes, ABOUT["looks"]["masks"]["shape"][-1]))[0]
        masks = []
        for index, (kind, box) in enumerate(zip(kinds, (boxes - shift) / factor, strict=True)):
            masks.append(pixels_of(1 / (1 + np.exp(-planes[index, kind + 1])), box, size[::-1]))
            drawn[index] = f" with {masks[index].sum()} pixels"
            for other in np.flatnonzero(shared[index, :index]):
                together = (masks[index] | masks[other]).sum()
                pixels_shared[index, other] = (masks[index] & masks[other]).sum() / max(together, 1)
        # From here on a box is the smallest around its object's pixels.
        ends = [(mask.any(axis), mask.any(axis)[::-1]) for mask in masks for axis in (0, 1)]
        edges = [(there.argmax(), len(there) - back.argmax()) for there, back in ends]
        corners = np.array(edges, float).reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)
        shared = overlaps(corners, corners)
        # What has no pixel is no object.
        scores = np.where([mask.any() for mask in masks], scores, -1)
    scores = doubted(kinds, scores, pixels_shared)
    return "; ".join(
        f"{ABOUT['classes'][kinds[place]]} {scores[place]:.4f} at {corners[place].round(1).tolist()}{drawn[place]}"
        for place in once(kinds, scores, shared)
    )


if __name__ == "__main__":
    others = {name: HERE / entry["file"] for name, entry in ABOUT["looks"].items()}
    tell(lambda: partial(answer, load(HERE / ABOUT["file"]), {name: load(path) for name, path in others.items()}))
