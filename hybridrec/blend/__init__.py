"""How sound and behaviour are weighed against each other."""
