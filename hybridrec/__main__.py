"""`python -m hybridrec` is the command line."""

from hybridrec.cli import main

main()
