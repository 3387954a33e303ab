"""Larger networks that label the sound a student is trained on; only training needs them."""
