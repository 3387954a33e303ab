"""The settings of the blend, chosen on held-out plays."""
