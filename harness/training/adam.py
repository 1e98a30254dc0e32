"""pix2pix's optimiser: one call of PyTorch's fused Adam kernel, with explicit gradients."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.config.settings import TrainSettings

MEANS = ("exp_avg", "exp_avg_sq")  # torch's names


class Adam(torch.optim.Adam):
    """torch's Adam with betas (beta1, 0.999) and a learning rate in a tensor on the device.

    Its state exists from the start, with torch's names and shapes. For a small network, torch's own
    lookup of weights, gradients and state takes as long as the update itself.

    Attributes:
        failed: a scalar tensor, 0; once it is 1, nothing is updated. Optimisers may share it.
    """

    def __init__(self, net: nn.Module, lr: float, settings: TrainSettings, failed: Tensor) -> None:
        device = failed.device
        # Fused kernels read the rate as float32 on a GPU, and as float64 on the CPU.
        dtype = torch.float64 if device.type == "cpu" else torch.float32
        rate = torch.tensor(lr, dtype=dtype, device=device)
        super().__init__(net.parameters(), rate, betas=(settings.beta1, 0.999), fused=True)
        self.failed = failed
        count = torch.zeros((), device=device)
        for weight in self.param_groups[0]["params"]:
            means = {name: torch.zeros_like(weight) for name in MEANS}
            self.state[weight] = {"step": count, **means}
        self.prepare_arguments()

    @torch.no_grad()
    def prepare_arguments(self) -> None:
        """Prepare the kernel's arguments, with the state in the memory layout of the weights.

        The kernel silently gives wrong results if the layouts differ.
        """
        self.weights: list[Tensor] = self.param_groups[0]["params"]
        self.addresses = addresses(self.weights)
        states = [self.state[weight] for weight in self.weights]
        for weight, state in zip(self.weights, states, strict=True):
            for name in MEANS:
                if not same_layout(state[name], weight):
                    state[name] = torch.empty_like(weight).copy_(state[name])
        # All weights are updated together and share one step count.
        self.count: Tensor = states[0]["step"]
        lists = [self.weights, *([state[name] for state in states] for name in MEANS)]
        self.kernel_tensors = [in_memory_order(each, self.weights) for each in lists]

    def state_tensors(self) -> list[Tensor]:
        """The optimiser's state: both running means of every weight, and the step count."""
        return [value for state in self.state.values() for value in state.values()]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a `state_dict`, which may be on another device."""
        (rate,) = (group["lr"] for group in self.param_groups)
        super().load_state_dict(state_dict)
        (group,) = self.param_groups
        group["lr"] = rate.copy_(group["lr"])  # keeps the rate on its device
        self.prepare_arguments()

    def descend(self, loss: Tensor) -> None:
        """Take one step on `loss`, with gradients for this optimiser's weights only.

        If the loss is not finite, set `failed` and update nothing.
        """
        self.flag_nonfinite(loss)
        self.step(torch.autograd.grad(loss, self.weights))

    def flag_nonfinite(self, loss: Tensor) -> None:
        """Set `failed` if `loss` is not finite."""
        loss = loss.detach()
        # Three kernels instead of the seven of `isfinite`: x - x is 0, or NaN if x is not finite.
        torch.maximum(self.failed, (loss - loss).ne(0), out=self.failed)

    def freeze(self, frozen: bool) -> None:
        """Disable (True) or enable gradients of the weights."""
        for weight in self.weights:
            weight.requires_grad_(not frozen)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:  # type: ignore[override]
        """Update every weight with its gradient."""
        if addresses(self.weights) != self.addresses:
            self.prepare_arguments()
        group = self.param_groups[0]
        weights, means, squares = self.kernel_tensors
        self.count += 1
        torch._fused_adam_(
            weights,
            [each.contiguous() for each in in_memory_order(gradients, self.weights)],
            means,
            squares,
            [],
            [self.count] * len(weights),
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            found_inf=self.failed,
        )


def same_layout(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of the same shape have the same strides and dtype."""
    return one.stride() == other.stride() and one.dtype == other.dtype


def addresses(weights: Sequence[Tensor]) -> list[int]:
    """The weights' memory addresses: they change if a weight is replaced or changes its layout."""
    return [weight.data_ptr() for weight in weights]


def in_memory_order(tensors: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Views of tensors shaped as the weights, with dimensions in the memory order of each weight.

    Otherwise the CPU kernel would copy channels-last weights at every step.
    """
    return [
        each.permute(0, 2, 3, 1) if weight.dim() == 4 and not weight.is_contiguous() else each
        for each, weight in zip(tensors, weights, strict=True)
    ]
