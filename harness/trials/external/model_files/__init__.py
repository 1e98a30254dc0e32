"""Model files for a user's copy of pix2pix, which finds them in its models/ by their names.

`harness.trials.external.plugin` copies them there. They import that copy's own modules, PyTorch and
torchvision, nothing of the harness, and are written for the Python and PyTorch of such copies.
"""
