"""The ears and the blend, judged on what they have not seen."""
