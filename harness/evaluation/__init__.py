"""What a generator is worth: pictures restored, scored, compared pair by pair."""
