"""Audio, plays and ready embeddings brought into a library."""
