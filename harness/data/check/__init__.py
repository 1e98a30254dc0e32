"""What is wrong with a user's pairs, measured and shown."""
