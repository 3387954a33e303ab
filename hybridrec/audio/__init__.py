"""From a file to log-mel chunks."""
