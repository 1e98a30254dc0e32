"""The pretrained networks that a search uses, and the random ones that replace them."""

from harness.config.settings import Weights
from harness.errors import as_user_input_error

# The default network of LPIPS, and the network of the perceptual term.
TRUNKS = ("alexnet", "vgg19")
NETWORKS = {
    "alexnet": "AlexNet",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "squeezenet1_1": "SqueezeNet",
}


def trunks_of(objective: str, perceptual: bool = True) -> tuple[str, ...]:
    """The pretrained networks in use: the objective's, and that of the perceptual term."""
    from objectives.loading import trunk_of

    return trunk_of(objective), *(TRUNKS[1:] if perceptual else ())


def choose_weights(policy: str, trunks: tuple[str, ...]) -> Weights:
    """Resolve `--weights`: pretrained networks, or random ones if one of them is unavailable."""
    from objectives.weights import resolve_weights

    with as_user_input_error(FileNotFoundError):
        return resolve_weights(policy, trunks)


def weights_remark(weights: Weights, policy: str, trunks: tuple[str, ...]) -> tuple[str, ...]:
    """A message if random networks replace pretrained ones.

    Args:
        policy: the value of `--weights`.
    """
    if weights == "pretrained":
        return ()
    named = " and ".join(NETWORKS[trunk] for trunk in trunks)
    why = "as asked" if policy == "random" else "not cached, and cannot be downloaded"
    return (
        f"WEIGHTS ARE RANDOM: a seeded network replaces each pretrained one ({named}; {why}). "
        "Scores compare only within this study or training; all is marked weights: random.",
    )
