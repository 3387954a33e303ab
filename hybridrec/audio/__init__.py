"""From an audio file to log-mel spectrograms of its chunks, and to its tags."""
