"""Looking into a trained network, down to one neuron's sum."""
