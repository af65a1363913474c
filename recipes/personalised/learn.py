"""The ways to teach a lesson: which weights learn, and the file of diffusers' own format that they are kept in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from diffusers.models.attention_processor import CustomDiffusionAttnProcessor
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from faster_diffusion import demo
from faster_diffusion.demo.additions import WORD
from specimens.lessons import Lesson

from ..noising import add_noise, draw_noise, draw_times, noise_error
from ..scenes import vae
from ..scenes.unet import scheduler
from ..training import TrainingPlan, load_average, on_device, train

BATCH = 4  # of examples, and as many of what the model drew before
RANK = 8


@dataclass(frozen=True)
class Method:
    """`prepare(pipe, lesson)` makes a pipeline ready to learn and returns what learns; `save(pipe, learned, lesson,
    folder)` writes what was learned."""

    teaches: str  # the lesson
    prepare: Callable[[StableDiffusionPipeline, Lesson], nn.Module]
    save: Callable[[StableDiffusionPipeline, nn.Module, Lesson, Path], None]
    plan: TrainingPlan
    prior: bool = True  # whether the model's own pictures are kept in mind


def fit(pipe: StableDiffusionPipeline, lesson: Lesson, method: Method, folder: Path, name: str) -> nn.Module:
    """Teach, in place; returns what learned."""
    pipe = on_device(pipe)
    prior = own_pictures(pipe) if method.prior else None
    learned = ready(pipe, lesson, method)
    alphas = on_device(scheduler().alphas_cumprod)
    pictures = torch.from_numpy(lesson.pictures(lesson.examples)).permute(0, 3, 1, 2)
    examples = pipe.vae.config.scaling_factor * vae.encode(pipe.vae, pictures)
    said = [lesson.say(scene) for scene in lesson.examples]

    def batch(latents: Tensor, prompts: list[str], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(latents), (BATCH,), generator=generator)
        return latents[rows], on_device(tokenise(pipe, [prompts[row] for row in rows]))

    def loss(step: int, generator: torch.Generator) -> Tensor:
        halves = [batch(examples, said, generator), *([batch(*prior, generator)] if prior else [])]
        latents, tokens = (torch.cat(parts) for parts in zip(*halves, strict=True))
        times = on_device(torch.cat([draw_times(BATCH, len(alphas), generator) for _ in halves]))
        noise = on_device(draw_noise(tuple(latents.shape), generator))
        noisy = add_noise(latents, noise, alphas[times])
        guess = pipe.unet(noisy, times, pipe.text_encoder(tokens).last_hidden_state, return_dict=False)[0]
        return noise_error(guess, noise, alphas[times])

    return train(learned, loss, method.plan, folder, name)


def load(pipe: StableDiffusionPipeline, lesson: Lesson, method: Method, folder: Path, name: str) -> nn.Module:
    """A pipeline that has learned, from a checkpoint; returns what learned."""
    return load_average(ready(pipe, lesson, method), folder / f"{name}.pt")


def ready(pipe: StableDiffusionPipeline, lesson: Lesson, method: Method) -> nn.Module:
    """Everything frozen but what learns, which always starts the same."""
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.requires_grad_(False)
    torch.manual_seed(4)
    return method.prepare(pipe, lesson)


@torch.no_grad()
def own_pictures(pipe: StableDiffusionPipeline, count: int = 64) -> tuple[Tensor, list[str]]:
    """Latents that the model draws before it learns, with their prompts: what it must not forget."""
    prompts = demo.prompts(count, seed=9)
    usual = pipe.scheduler
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(usual.config)
    seeds = [torch.Generator().manual_seed(i) for i in range(count)]
    call = {"num_inference_steps": 12, "guidance_scale": demo.GUIDANCE_SCALE, "output_type": "latent"}
    latents = pipe(prompts, generator=seeds, **call).images
    pipe.scheduler = usual
    return latents, prompts


def tokenise(pipe: StableDiffusionPipeline, prompts: list[str]) -> Tensor:
    """Tokens (N, 32); a learned word of several vectors is as many tokens."""
    prompts = pipe.maybe_convert_prompt(prompts, pipe.tokenizer)
    return pipe.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids


# DreamBooth: all weights of the network


def _network(pipe: StableDiffusionPipeline, lesson: Lesson) -> nn.Module:
    return pipe.unet.requires_grad_(True)


def _save_network(pipe: StableDiffusionPipeline, learned: nn.Module, lesson: Lesson, folder: Path) -> None:
    learned.half().save_pretrained(folder / "unet")


# LoRA: low-rank additions to attention and to the convolutions


def _lora(pipe: StableDiffusionPipeline, lesson: Lesson) -> nn.Module:
    layers = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2"]
    pipe.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=layers))
    return pipe.unet


def _save_lora(pipe: StableDiffusionPipeline, learned: nn.Module, lesson: Lesson, folder: Path) -> None:
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(learned))
    pipe.save_lora_weights(folder, unet_lora_layers={name: weight.half() for name, weight in layers.items()})


# Textual inversion: a word


class WithWords(nn.Module):
    """An embedding whose last rows learn; the others are frozen."""

    def __init__(self, table: nn.Embedding, words: int) -> None:
        super().__init__()
        self.register_buffer("known", table.weight[:-words].detach())
        self.words = nn.Parameter(table.weight[-words:].detach().clone())

    def forward(self, tokens: Tensor) -> Tensor:
        return F.embedding(tokens, torch.cat([self.known, self.words]))


def _word(pipe: StableDiffusionPipeline, lesson: Lesson, vectors: int = 1) -> WithWords:
    table = pipe.text_encoder.get_input_embeddings().weight
    like = pipe.tokenizer.convert_tokens_to_ids([f"{word}</w>" for word in lesson.like])
    start = table[like].detach().mean(0) + 0.01 * torch.randn(vectors, table.shape[1])
    pipe.load_textual_inversion({lesson.word: start.squeeze(0)})
    words = WithWords(pipe.text_encoder.get_input_embeddings(), vectors)
    pipe.text_encoder.set_input_embeddings(words)
    return words


def _save_word(pipe: StableDiffusionPipeline, learned: nn.Module, lesson: Lesson, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({lesson.word: learned.words.detach().squeeze(0).contiguous()}, folder / WORD)


# Custom Diffusion: a word, and how the network reads words


def _keys_and_values(pipe: StableDiffusionPipeline, lesson: Lesson) -> nn.Module:
    processors = {}
    for name in pipe.unet.attn_processors:
        layer = pipe.unet.get_submodule(name.removesuffix(".processor"))
        width = pipe.unet.config.cross_attention_dim if layer.is_cross_attention else None
        # Those of self-attention are there, frozen, for the file: from safetensors the loader of diffusers takes all
        # layers or none.
        processor = CustomDiffusionAttnProcessor(
            train_q_out=False, hidden_size=layer.inner_dim, cross_attention_dim=width
        ).requires_grad_(layer.is_cross_attention)
        processor.to_k_custom_diffusion.weight.data = layer.to_k.weight.detach().clone()
        processor.to_v_custom_diffusion.weight.data = layer.to_v.weight.detach().clone()
        processors[name] = processor
    pipe.unet.set_attn_processor(processors)
    return nn.ModuleDict({"word": _word(pipe, lesson), "unet": pipe.unet})


def _save_keys_and_values(pipe: StableDiffusionPipeline, learned: nn.Module, lesson: Lesson, folder: Path) -> None:
    _save_word(pipe, learned["word"], lesson, folder)
    for processor in pipe.unet.attn_processors.values():
        processor.half()
    pipe.unet.save_attn_procs(folder)


def _plan(steps: int, learning_rate: float, **others: float) -> TrainingPlan:
    return TrainingPlan(steps, learning_rate, warmup=20, ema=0.98, save_every=50, **others)


METHODS = {
    "dreambooth": Method("moon", _network, _save_network, _plan(200, 3e-4)),
    "moon": Method("moon", _lora, _save_lora, _plan(350, 2e-3)),
    "mint": Method("mint", _keys_and_values, _save_keys_and_values, _plan(150, 1e-3, weight_decay=0)),
    "beside": Method("beside", _word, _save_word, _plan(150, 2e-2, weight_decay=0), prior=False),
}
