"""Asks this network about pictures: python example.py PICTURE...

Needs numpy, Pillow and the tool itself, nothing else. `striate.json` beside this file says how pictures are fed to the
network and what its classes are. Eight bits a channel, pictures that need not be cut into tiles: for all others see
`striate predict`.
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent
ABOUT = json.loads((HERE / "striate.json").read_text(encoding="utf-8"))


# <load>
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    raise NotImplementedError


# </load>


def prepare(path):
    """A picture as the network takes it, `(1, C, H, W)`; scale and offset `(y, x)` of the picture in it; its size."""
    _, channels, height, width = ABOUT["input"]["shape"]
    if ABOUT["input"].get("rule"):
        sys.exit(f"This network sees channels by the rule {ABOUT['input']['rule']!r}: ask `striate predict`.")
    if ABOUT["input"]["dtype"] != "uint8" or channels not in (1, 3):
        sys.exit(f"This network takes {channels} channels of {ABOUT['input']['dtype']}; Pillow gives 1 or 3 of uint8.")
    try:
        # Upright, as whoever held the camera saw it.
        image = ImageOps.exif_transpose(Image.open(path))
    except (OSError, Image.DecompressionBombError) as error:
        sys.exit(f"{path}: expected a picture: {getattr(error, 'strerror', None) or error}")
    if image.mode.startswith(("I", "F")):
        sys.exit(f"{path}: the network learned from pictures of 8 bits, and this has more ({image.mode}).")
    if "A" in image.mode or "transparency" in image.info:
        # What is transparent lies on white.
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    image = image.convert({1: "L", 3: "RGB"}[channels])
    fit, tile_scale = ABOUT["input"]["fit"] or "squash", ABOUT["input"].get("tile_scale")
    ratios = height / image.height, width / image.width
    cut = fit == "tiles" or (tile_scale is not None and min(ratios) < tile_scale / 2)
    if fit == "squash" and not cut:
        inner = height, width
    else:
        ratio = (tile_scale or 1) if cut else max(ratios) if fit == "crop" else min(ratios)
        inner = max(1, round(image.height * ratio)), max(1, round(image.width * ratio))
    if cut and (inner[0] > height or inner[1] > width):
        sys.exit(f"{path}: larger than what the network sees at once: `striate predict` cuts it into tiles.")
    scale = inner[0] / image.height, inner[1] / image.width
    pixels = np.asarray(image.resize((inner[1], inner[0]), Image.Resampling.BILINEAR)).reshape(*inner, channels)
    top, left = abs(inner[0] - height) // 2, abs(inner[1] - width) // 2
    if fit == "crop":
        frame, offset = pixels[top : top + height, left : left + width], (-top, -left)
    else:
        frame, offset = np.zeros((height, width, channels), np.uint8), (top, left)
        frame[top : top + inner[0], left : left + inner[1]] = pixels
    normalisation = ABOUT["input"].get("normalisation", "inside")
    if normalisation != "inside":
        mean, std = (np.asarray(normalisation[name], np.float32) for name in ("mean", "std"))
        frame = (frame.astype(np.float32) / np.float32(normalisation["scale"]) - mean) / std
    return np.ascontiguousarray(frame.transpose(2, 0, 1))[None], scale, offset, image.size


def softmax(scores, axis):
    """Scores as shares that sum to 1."""
    risen = np.exp(scores - scores.max(axis, keepdims=True))
    return risen / risen.sum(axis, keepdims=True)


def tell(begin):
    """Prints what is said about every picture that is named; one that cannot be answered stops none of the others.

    `begin` loads what is asked and gives the function that asks it, once it is known that there is something to ask.
    """
    usage = "usage: python example.py PICTURE..."
    if len(sys.argv) < 2:
        sys.exit(usage)
    if sys.argv[1] in ("-h", "--help"):
        print(usage)
        sys.exit()
    ask, refused = begin(), 0
    for name in sys.argv[1:]:
        try:
            print(f"{name}: {ask(name) or 'nothing found'}")
        except SystemExit as error:
            print(error, file=sys.stderr)
            refused += 1
    sys.exit(1 if refused else 0)


def overlaps(one, other):
    """Intersection over union of boxes `(n, 4)` with boxes `(m, 4)`: `(n, m)`."""
    low = np.maximum(one[:, None, :2], other[:, :2])
    high = np.minimum(one[:, None, 2:], other[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), -1)
    areas = [np.prod(part[:, 2:] - part[:, :2], 1) for part in (one, other)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)


def doubted(kinds, scores, shared):
    """Scores of objects, the surest first, that fall where surer ones of their class share pixels (Soft-NMS, 2017)."""
    alike = kinds[:, None] == kinds
    return scores * np.exp(-(np.tril(shared * alike, -1) ** 2).sum(1) / 0.5)


def once(kinds, scores, shared, same=0.5):
    """Places of the objects that count, the surest first; what is found as two classes counts as the surer one."""
    kept = []
    for place in np.argsort(-scores, kind="stable"):
        other = [one for one in kept if kinds[one] != kinds[place]]
        if scores[place] >= ABOUT["count_from"] and not (shared[place, other] >= same).any():
            kept.append(place)
    return kept


def boxes(scores, corners, size, least=0.02, same=0.5):
    """Objects in a picture of `size` (width, height), each once: `(class, score, x0, y0, x1, y1)`."""
    found = []
    for kind in range(scores.shape[1]):
        order = np.argsort(-scores[:, kind], kind="stable")
        order = order[scores[order, kind] >= max(least, ABOUT["count_from"])]
        while len(order):
            best, rest = order[0], order[1:]
            found.append((kind, scores[best, kind], best))
            order = rest[overlaps(corners[best : best + 1], corners[rest])[0] <= same]
    if not found:
        return []
    kinds, sureness, chosen = map(np.array, zip(*sorted(found, key=lambda one: -one[1]), strict=True))
    corners = np.clip(corners[chosen], 0, [*size, *size])
    shared = overlaps(corners, corners)
    sureness = doubted(kinds, sureness, shared)
    return [(kinds[place], sureness[place], *corners[place].tolist()) for place in once(kinds, sureness, shared)]


def shares(given):
    """What the network gives as a share of each class, first axis the class."""
    gives, alone = ABOUT.get("gives", "scores"), ABOUT["task"] == "multilabel" or len(given) == 1
    if gives == "probabilities" and not alone:
        # A sigmoid for each class, of which one is asked for.
        least = np.finfo(given.dtype).tiny
        gives, given = "scores", np.log(np.maximum(given, least)) - np.log(np.maximum(1 - given, least))
    if gives == "scores":
        given = 1 / (1 + np.exp(-given)) if alone else softmax(given, 0)
    if len(given) < len(ABOUT["classes"]):
        # One output for two classes is about the second.
        given = np.concatenate([1 - given, given])
    return given


def answer(run, path):
    """What the network says about a picture, in words."""
    pixels, scale, offset, size = prepare(path)
    outputs = dict(zip(ABOUT["outputs"], run(pixels), strict=True))
    scores, classes = outputs["scores"][0], ABOUT["classes"]
    if ABOUT["task"] == "classification":
        found = shares(scores)
        return f"{classes[int(found.argmax())]} {found.max():.4f}"
    if ABOUT["task"] == "multilabel":
        found = shares(scores)
        return ", ".join(f"{classes[kind]} {found[kind]:.4f}" for kind in np.argsort(-found))
    if ABOUT["task"] == "segmentation":
        # Without the border that fills the frame where the picture does not.
        rows, columns = (
            slice(max(0, low), max(0, low) + round(side * ratio))
            for low, side, ratio in zip(offset, size[::-1], scale, strict=True)
        )
        mask = shares(scores).argmax(0)[rows, columns]
        return ", ".join(f"{classes[kind]} {(mask == kind).mean():.1%}" for kind in np.unique(mask))
    if "boxes_xyxy" in outputs:
        corners = outputs["boxes_xyxy"][0]
        shift, factor = np.array([offset[1], offset[0]] * 2), np.array([scale[1], scale[0]] * 2)
        rows = boxes(1 / (1 + np.exp(-scores)), (corners - shift) / factor, size)
        return "; ".join(f"{classes[kind]} {score:.4f} at {[round(x, 1) for x in box]}" for kind, score, *box in rows)
    shapes = ", ".join(f"{name} {value.shape}" for name, value in outputs.items())
    return f"{shapes}; `striate predict` makes objects of them"


if __name__ == "__main__":
    tell(lambda: partial(answer, load(HERE / ABOUT["file"])))
