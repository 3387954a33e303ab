"""From log-mel chunks to an embedding."""
