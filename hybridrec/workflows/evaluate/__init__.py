"""Evaluation of the audio encoder and of the blend on held-out data."""
