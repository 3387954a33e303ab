"""The migrations in order, one file a schema."""
