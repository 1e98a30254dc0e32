"""pix2pix's optimiser as one call of the libraries' fused kernel, told its gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness.config import TrainSettings


class Adam(torch.optim.Adam):
    """torch's Adam with betas (beta1, 0.999); its rate is a tensor beside the weights.

    It has its state from the start, and of torch's own the names and shapes. Beside a small
    network's step, torch's way of finding weights, gradients and state costs as much as the update.

    Attributes:
        failed: 0; from 1 on nothing is updated. Several optimisers may share one.
    """

    def __init__(self, net: nn.Module, lr: float, settings: TrainSettings, failed: Tensor) -> None:
        device = failed.device
        # Fused kernels on a GPU read a float32 rate; those of the CPU a double.
        kind = torch.float64 if device.type == "cpu" else torch.float32
        rate = torch.tensor(lr, dtype=kind, device=device)
        super().__init__(net.parameters(), rate, betas=(settings.beta1, 0.999), fused=True)
        self.failed = failed
        for weight in self.weights:
            self.state[weight] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }

    @property
    def weights(self) -> list[Tensor]:
        """What it moves."""
        return list(self.param_groups[0]["params"])

    def descend(self, loss: Tensor) -> None:
        """One step down `loss`, by these weights alone: whatever else it depends on stays.

        A loss that is not finite is noted in `failed`, and moves nothing.
        """
        self.note(loss)
        self.step(torch.autograd.grad(loss, self.weights))

    def note(self, loss: Tensor) -> None:
        """Set `failed` if `loss` is not finite."""
        torch.maximum(self.failed, (~torch.isfinite(loss.detach())).float(), out=self.failed)

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:  # type: ignore[override]
        """Move every weight by its gradient."""
        weights, group = self.weights, self.param_groups[0]
        states = [self.state[weight] for weight in weights]
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            as_they_lie(weights, weights),
            [each.contiguous() for each in as_they_lie(gradients, weights)],
            as_they_lie([state["exp_avg"] for state in states], weights),
            as_they_lie([state["exp_avg_sq"] for state in states], weights),
            [],
            steps,
            lr=group["lr"],
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            amsgrad=False,
            maximize=False,
            found_inf=self.failed,
        )


def as_they_lie(held: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Tensors shaped as the weights, seen in the order in which each weight lies in memory.

    The fused kernel of a CPU copies whatever is in another order, at every step; weights with
    their channels last are.
    """
    return [
        each.permute(0, 2, 3, 1) if weight.dim() == 4 and not weight.is_contiguous() else each
        for each, weight in zip(held, weights, strict=True)
    ]
