"""Pictures and pairs as they lie in a user's folder: found, read, refused."""
