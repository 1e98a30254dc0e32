"""`--model pix2pix_with_perceptual --use_perceptual --lambda_perceptual X`, as the guide names it.

Written into models/ by `harness export --format plugin`, unless the guide's own file of this name
is there; it needs pix2pix_warp_model.py in the same folder.
"""

from typing import Any

from models.pix2pix_warp_model import PerceptualPix2PixModel


class Pix2PixWithPerceptualModel(PerceptualPix2PixModel):
    """pix2pix's own generator; with `--use_perceptual`, G's loss has the perceptual term."""

    @staticmethod
    def modify_commandline_options(parser: Any, is_train: bool = True) -> Any:
        parser = PerceptualPix2PixModel.modify_commandline_options(parser, is_train)
        if is_train:
            parser.set_defaults(lambda_perceptual=10.0)
            parser.add_argument(
                "--use_perceptual", action="store_true", help="add the perceptual term to G's loss"
            )
        return parser

    def __init__(self, opt: Any) -> None:
        if opt.isTrain and not opt.use_perceptual:
            opt.lambda_perceptual = 0.0
        super().__init__(opt)
