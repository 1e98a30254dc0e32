"""Model files for a user's copy of pix2pix, which finds them in its models/ by their names.

`harness.trials.external.plugin` copies them there. They import only that copy's own modules,
PyTorch and torchvision, and are written for the Python and PyTorch versions of such copies.
"""
