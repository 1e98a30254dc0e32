"""Search spaces, the guide's recipes, and the parameters of a trial."""
