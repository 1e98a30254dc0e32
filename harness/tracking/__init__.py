"""MLflow tracking: a mirror for people to look at. No search or training waits for it."""
