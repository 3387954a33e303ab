"""The audio encoder: network, loss, training and checkpoints."""
