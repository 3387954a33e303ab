"""Ears made from music."""
