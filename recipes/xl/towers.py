"""The two text towers: the scenes model's and its CLIP pair's, made ready to be read where SDXL reads them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from faster_diffusion import demo

from ..scenes.unet import tokenise


@dataclass(frozen=True)
class Towers:
    """Both, frozen. What the UNet reads of them is the state before their last layer, without the norm behind it."""

    first: CLIPTextModel
    second: CLIPTextModelWithProjection

    @torch.no_grad()
    def read(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, 32, width of both) and the caption as a whole (B, 128), as the pipeline makes them."""
        told = [tower(tokens, output_hidden_states=True) for tower in (self.first, self.second)]
        return torch.cat([one.hidden_states[-2] for one in told], -1), told[1].text_embeds

    @property
    def width(self) -> int:
        return self.first.config.hidden_size + self.second.config.hidden_size


def make(image: StableDiffusionPipeline) -> Towers:
    """The tower of the image model, and the one of its CLIP pair, with its projection."""
    second = CLIPTextModelWithProjection.from_pretrained(
        demo.pipeline_folder("scenes") / "clip", local_files_only=True, dtype=torch.float32
    )
    towers = [_evened(_deeper(image.text_encoder)), _evened(second)]
    return Towers(*(tower.eval().requires_grad_(False) for tower in towers))


def _deeper(tower: CLIPTextModel) -> CLIPTextModel:
    """The tower with a layer more, which nothing reads: then the state before it is the one that the UNet knows."""
    config = deepcopy(tower.config)
    config.num_hidden_layers += 1
    torch.manual_seed(12)
    longer = CLIPTextModel(config)
    longer.load_state_dict({**longer.state_dict(), **tower.state_dict()})
    return longer


def _evened(tower: nn.Module) -> nn.Module:
    """The tower with states of unit spread: ten times that is too much to learn from without a norm.

    Layers look at states through norms, so that dividing all that is added to these changes nothing else.
    """
    seen = tower(tokenise(["a red cube left of a blue ring"]), output_hidden_states=True).hidden_states[-2]
    spread = seen.std(-1).median().item()
    tower.config.layer_norm_eps /= spread**2
    with torch.no_grad():
        for name, part in tower.named_modules():
            if isinstance(part, nn.LayerNorm):
                part.eps = tower.config.layer_norm_eps
            elif name.endswith(("token_embedding", "position_embedding", "out_proj", "fc2")):
                for weight in part.parameters():
                    weight /= spread
    return tower
