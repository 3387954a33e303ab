"""How scores from audio and scores from behaviour are brought to one scale and weighted."""
