"""The Flask application: typed views over one `RecommendationService`, and the web page."""
