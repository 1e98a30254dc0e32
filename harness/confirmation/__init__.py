"""Is the best really better? Settings trained again on fresh seeds, compared pair by pair."""
