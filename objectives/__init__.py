"""Objectives that score restored pictures, and their parts: masks, sharpness, LPIPS, guards."""
