"""The recommender, what fitting it makes, and how that ranks and is stored."""
