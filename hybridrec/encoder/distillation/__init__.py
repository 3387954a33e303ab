"""How the shipped encoder is made: a student of larger networks."""
