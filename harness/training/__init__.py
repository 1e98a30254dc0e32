"""pix2pix training: networks, losses, the optimisation step, and the training loops."""
