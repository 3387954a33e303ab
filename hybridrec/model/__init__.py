"""The recommender, its fitted model, ranking, and how a model is written and read."""
