"""pix2pix training: networks, losses, one optimisation step, the loop around it."""
