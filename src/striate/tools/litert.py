"""LiteRT (TensorFlow Lite), for telephones and small machines, by TensorFlow's own converter."""

from __future__ import annotations

from striate.tools.base import TOOLS
from striate.tools.keras import FromKeras


class LiteRtTool(FromKeras):
    """One file, run by LiteRT's interpreter."""

    name = "litert"
    title = "LiteRT (TensorFlow Lite)"
    file = "model.tflite"
    kind = "litert"
    takes = ("keras", "tensorflow")
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        import tensorflow as tf

        Interpreter = tf.lite.Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    (name,) = runner.get_input_details()

    def run(pixels):
        given = runner(**{name: np.moveaxis(pixels, 1, -1)})
        arrays = [given[name] for name in sorted(given)]
        return [np.moveaxis(one, -1, 1) if one.ndim == 4 else one for one in arrays]

    return run
'''


TOOLS.add(LiteRtTool.name, LiteRtTool())
