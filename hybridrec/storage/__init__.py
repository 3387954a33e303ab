"""The library on disk or in a database."""
