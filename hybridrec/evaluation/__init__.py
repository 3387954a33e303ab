"""Figures of quality, as pure functions of arrays."""
