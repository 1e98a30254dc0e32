"""What a study shows: its summary, effects of the settings, blind judgements, the decision."""
