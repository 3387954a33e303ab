"""From plays to factors, and from embeddings into the factor space."""
