"""What a person may set, validated: settings models, profiles, and `best.yaml` read back."""
