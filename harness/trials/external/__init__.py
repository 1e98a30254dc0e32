"""External trials, trained by a copy of pix2pix or by any program that a YAML file describes."""
