"""Inner-product search over track vectors."""
