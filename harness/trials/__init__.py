"""One trial, from its parameters to its score, and the processes that run it."""
