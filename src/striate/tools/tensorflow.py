"""TensorFlow's SavedModel, written from the Keras network by Keras' own exporter."""

from __future__ import annotations

from striate.tools.base import TOOLS
from striate.tools.keras import FromKeras


class TensorflowTool(FromKeras):
    """A folder that TensorFlow Serving and TensorFlow.js take, too."""

    name = "tensorflow"
    title = "SavedModel (TensorFlow)"
    file = "saved_model"
    kind = "saved_model"
    takes = ("keras",)
    load = '''
def load(path):
    """The network: a function from pixels `(N, C, H, W)` to its outputs."""
    import tensorflow as tf

    # The model must live as long as the function that it holds.
    model = tf.saved_model.load(str(path))
    call = model.signatures["serving_default"]
    (name,) = call.structured_input_signature[1]

    def run(pixels, model=model):
        given = call(**{name: tf.constant(np.moveaxis(pixels, 1, -1))})
        arrays = [given[name].numpy() for name in sorted(given)]
        return [np.moveaxis(one, -1, 1) if one.ndim == 4 else one for one in arrays]

    return run
'''


TOOLS.add(TensorflowTool.name, TensorflowTool())
