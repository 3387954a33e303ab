"""Reports and maps for people: HTML from templates, text tables for a terminal, PNG pictures."""
