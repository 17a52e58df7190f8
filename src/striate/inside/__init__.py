"""Looking into a trained network, down to one neuron's sum."""

from striate.inside.look import Inside, look_inside

__all__ = ["Inside", "look_inside"]
