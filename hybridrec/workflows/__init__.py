"""The jobs a user runs, each composed of the parts below."""
