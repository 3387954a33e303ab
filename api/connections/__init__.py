"""How requests come in: whole, before a thread is taken; a slow client costs a socket and no thread."""
