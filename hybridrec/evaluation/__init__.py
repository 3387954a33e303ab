"""Metrics, baselines, significance tests and the reports made of them; pure functions of arrays."""
