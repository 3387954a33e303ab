"""The connections of a worker: request bodies are buffered without a thread, with deadlines."""
