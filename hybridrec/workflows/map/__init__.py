"""Map of a library by its embeddings."""
