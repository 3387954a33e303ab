"""From a file to its embedding, in processes of its own."""
