"""Detect faces with the cascade that scikit-image contains, so that nothing is downloaded."""

import numpy as np
from PIL import Image
from skimage.feature import Cascade

from harness.data.files.picture_reading import Picture
from harness.data.files.scikit_image import scikit_image_file
from harness.data.synthesis.retouch import Face

SIDE = 480
CASCADE = "lbpcascade_frontalface_opencv.xml"


def find_face(picture: Picture) -> Face | None:
    """The oval of the largest frontal face, in pixels; None if there is none."""
    scale = SIDE / min(picture.shape[:2])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    small = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
    boxes = Cascade(str(scikit_image_file(CASCADE))).detect_multi_scale(
        img=small, scale_factor=1.2, step_ratio=1, min_size=(48, 48), max_size=(SIDE, SIDE)
    )
    if not boxes:
        return None
    box = max(boxes, key=lambda candidate: candidate["width"])
    side = box["width"] / scale
    # The cascade's box runs from the brows to the chin, a little wider than the face.
    return Face(
        x=box["c"] / scale + 0.5 * side,
        y=box["r"] / scale + 0.48 * side,
        half_width=0.38 * side,
        half_height=0.55 * side,
    )
