"""What a process serves from, and how an answer is put together."""
