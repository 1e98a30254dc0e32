"""What pix2pix's models share, as far as a model file of ours relies on it."""

from pathlib import Path
from typing import Any

import torch

from models import networks


class BaseModel:
    """Older copies have `gpu_ids` in their options; newer ones initialise networks in `setup`."""

    def __init__(self, opt: Any) -> None:
        self.opt = opt
        self.isTrain = opt.isTrain
        self.device = torch.device("cpu")
        if hasattr(opt, "gpu_ids"):
            self.gpu_ids = opt.gpu_ids
        self.save_dir = Path(opt.checkpoints_dir) / opt.name

    def setup(self, opt: Any) -> None:
        for name in self.model_names:
            net = getattr(self, f"net{name}")
            if not hasattr(opt, "gpu_ids"):
                networks.init_net(net, opt.init_type, opt.init_gain)
            if not self.isTrain or opt.continue_train:
                file = self.save_dir / f"latest_net_{name}.pth"
                getattr(net, "module", net).load_state_dict(torch.load(file, weights_only=True))

    def save_networks(self, epoch: str) -> None:
        self.save_dir.mkdir(parents=True, exist_ok=True)
        for name in self.model_names:
            file = self.save_dir / f"{epoch}_net_{name}.pth"
            net = getattr(self, f"net{name}")
            torch.save(getattr(net, "module", net).state_dict(), file)
