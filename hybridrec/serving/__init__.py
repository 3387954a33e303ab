"""Serving: the service, its live model and model reload, and how an answer is selected."""
