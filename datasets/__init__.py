"""Loaders of data sets, each with its data card."""
