"""What may be tried: spaces, the guide's recipes, and the values of one trial."""
