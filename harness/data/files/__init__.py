"""Find and read the pictures and pairs of a user's folder, or refuse them."""
