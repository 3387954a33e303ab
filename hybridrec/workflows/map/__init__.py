"""A library drawn by its sound."""
