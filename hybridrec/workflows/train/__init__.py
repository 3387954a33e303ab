"""Workflows that train an encoder on music."""
