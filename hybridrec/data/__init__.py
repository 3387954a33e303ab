"""Value objects: ids, tracks, plays, interactions, embeddings, splits."""
