"""Collaborative filtering: ALS factors, and the maps between audio and factors."""
