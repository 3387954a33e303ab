"""How the tables came to be, as Alembic migrations, which are never edited once released.

Only `runner` imports Alembic, and only what creates or migrates a library imports `runner`.
"""
