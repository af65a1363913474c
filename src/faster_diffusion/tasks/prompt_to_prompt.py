"""Prompt-to-Prompt (arXiv 2208.01626): edits an image by editing its prompt, on a stock Stable Diffusion pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from diffusers import DiffusionPipeline
from diffusers.callbacks import MultiPipelineCallbacks, PipelineCallback

from .alignment import refined, swapped
from .attention import AttentionControl, Edit, controlled, has_cross_attention
from .local_blend import Blending, LocalBlend
from .words import TokenisedPrompt, read


class PromptToPrompt:
    """An edit of an image by its prompt. Call it like the pipeline, without a prompt:

    >>> edit = PromptToPrompt(pipe, ["a red cube", "a blue cube"])
    >>> source, edited = edit(num_inference_steps=50, generator=torch.Generator().manual_seed(0))

    All prompts start from the same latent. ``fd.enable(pipe)`` accelerates edits too.

    Args:
        pipe: a Stable Diffusion pipeline.
        prompts: the source prompt, then one or more edited ones.
        kind: ``"replace"`` swaps words, the prompts have equally many; ``"refine"`` adds words, or leaves some out.
        cross_steps: for which fraction of the steps words take the source's cross-attention maps (tau of the paper).
            More keeps more of the source's layout; less leaves the new words more freedom.
        cross_steps_of: other fractions for some words of the edited prompts.
        self_steps: for which fraction of the steps self-attention is the source's. More keeps more of shapes.
        reweight: words of the edited prompts and what their attention is multiplied by, in all steps; -2 to 2 are
            sensible. To do only that, let the edited prompt be the source prompt.
        local_blend: keeps what the chosen words do not look at as in the source.
        self_pixels: self-attention is controlled in layers of at most so many positions: finer ones hold texture.

    Raises:
        ValueError: the pipeline or an argument does not fit; the message says what to do.
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        prompts: Sequence[str],
        *,
        kind: Literal["replace", "refine"] = "replace",
        cross_steps: float = 0.8,
        cross_steps_of: Mapping[str, float] | None = None,
        self_steps: float = 0.4,
        reweight: Mapping[str, float] | None = None,
        local_blend: LocalBlend | None = None,
        self_pixels: int = 32 * 32,
    ) -> None:
        tokenizer = getattr(pipe, "tokenizer", None)
        if tokenizer is None or not has_cross_attention(getattr(pipe, "unet", None)):
            raise ValueError(
                f"{type(pipe).__name__} has no tokenizer, or no UNet that attends to a prompt; "
                "prompt-to-prompt edits with a StableDiffusionPipeline that has both."
            )
        if isinstance(prompts, str) or len(prompts) < 2:
            raise ValueError(f"prompts are the source prompt and at least one edited one; got {prompts!r}.")
        if kind not in ("replace", "refine"):
            raise ValueError(f'kind is "replace" or "refine"; got {kind!r}.')
        for fraction in (cross_steps, self_steps, *(cross_steps_of or {}).values()):
            if not 0 <= fraction <= 1:
                raise ValueError(f"cross_steps and self_steps are fractions of the steps, 0 to 1; got {fraction}.")
        self.pipe = pipe
        self.prompts = list(prompts)
        self._read = [self._tokens(prompt) for prompt in prompts]
        self._length: int = tokenizer.model_max_length
        alignment = torch.stack([self._align(edited, kind) for edited in self._read[1:]])
        fractions = self._per_token(cross_steps, cross_steps_of) * alignment.any(1)  # 0 for words without counterpart
        self._edit = Edit(alignment, fractions, self._per_token(1.0, reweight), self_steps, self_pixels)
        self._blended = None if local_blend is None else self._tokens_to_blend(local_blend)
        self._threshold = 0.0 if local_blend is None else local_blend.threshold

    def __call__(
        self,
        *,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        num_images_per_prompt: int = 1,
        negative_prompt: str | list[str] | None = None,
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        **kwargs: Any,
    ) -> Any:
        """Samples all prompts.

        Args:
            generator: one, or one for each image of a prompt; as in a call for the source prompt alone.
            latents: initial latents of the images of a prompt, shape (images, C, H, W), in place of a generator's.
            kwargs: whatever else the pipeline takes.

        Returns:
            What the pipeline has as ``images``: those of the source prompt, then those of every edited prompt.
        """
        if taken := kwargs.keys() & {"prompt", "prompt_embeds", "return_dict"}:
            raise ValueError(f"{', '.join(sorted(taken))}: leave it out; prompts are given to PromptToPrompt itself.")
        if any(name.startswith("ip_adapter") for name in kwargs):
            raise ValueError("Prompt-to-prompt controls attention to words alone; unload the IP-Adapter and its image.")
        images, edited = num_images_per_prompt, len(self.prompts) - 1
        blending = None if self._blended is None else Blending(self._blended, self._threshold)
        control = AttentionControl(self._edit, images, lambda: self.pipe.num_timesteps, blending)
        if isinstance(negative_prompt, str):
            negative_prompt = [negative_prompt] * len(self.prompts)
        if isinstance(callback_on_step_end, PipelineCallback | MultiPipelineCallbacks):
            callback_on_step_end_tensor_inputs = callback_on_step_end.tensor_inputs

        def end_step(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            outputs: dict[str, Any] = {}
            if callback_on_step_end is not None:
                asked = {name: tensors[name] for name in callback_on_step_end_tensor_inputs}
                outputs = callback_on_step_end(pipe, step, timestep, asked)
            if blending is not None:
                outputs["latents"] = blending.blend(outputs.get("latents", tensors["latents"]))
            control.step = step + 1
            return outputs

        with controlled(self.pipe.unet, control):
            return self.pipe(
                self.prompts,
                negative_prompt=negative_prompt,
                num_images_per_prompt=images,
                generator=_for_every_prompt(generator, images, edited),
                latents=None if latents is None else _rows(latents, images).repeat(edited + 1, 1, 1, 1),
                callback_on_step_end=end_step,
                callback_on_step_end_tensor_inputs=list({"latents", *callback_on_step_end_tensor_inputs}),
                return_dict=False,
                **kwargs,
            )[0]

    def _tokens(self, text: str) -> TokenisedPrompt:
        """A text as the pipeline reads it: names of textual inversion stand for several tokens."""
        convert = getattr(self.pipe, "maybe_convert_prompt", lambda text, _: text)
        return read(self.pipe.tokenizer, convert(text, self.pipe.tokenizer))

    def _align(self, edited: TokenisedPrompt, kind: str) -> torch.Tensor:
        source = self._read[0]
        if kind == "refine":
            return refined(source.tokens, edited.tokens, self._length)
        words = len(source.ends), len(edited.ends)
        if words[0] != words[1]:
            raise ValueError(
                f'kind="replace" swaps words one by one, but {source.text!r} has {words[0]} words and {edited.text!r} '
                f'has {words[1]}; use kind="refine".'
            )
        return swapped(source.tokens_of_words, edited.tokens_of_words, self._length)

    def _per_token(self, default: float, chosen: Mapping[str, float] | None) -> torch.Tensor:
        """A value for each token of the edited prompts, shape (E, L)."""
        values = torch.full((len(self._read) - 1, self._length), default)
        for word, value in (chosen or {}).items():
            values[self._holding(word, self._read[1:])] = value
        return values

    def _tokens_to_blend(self, blend: LocalBlend) -> torch.Tensor:
        """Which tokens of the prompts the map of local blending is made of, bool of shape (prompts, L)."""
        tokens = torch.zeros(len(self._read), self._length, dtype=torch.bool)
        for word in blend.words:
            tokens |= self._holding(word, self._read)
        for prompt, chosen in zip(self._read, tokens, strict=True):
            if not chosen.any():
                raise ValueError(
                    f"{prompt.text!r} has none of the words {', '.join(blend.words)}; name one in LocalBlend.words."
                )
        return tokens

    def _holding(self, word: str, prompts: Sequence[TokenisedPrompt]) -> torch.Tensor:
        """Where a word is in any of the prompts, bool of shape (prompts, L)."""
        places = torch.zeros(len(prompts), self._length, dtype=torch.bool)
        for place, prompt in zip(places, prompts, strict=True):
            place[prompt.positions(self._tokens(word))] = True
        if not places.any():
            texts = " or ".join(repr(prompt.text) for prompt in prompts)
            raise ValueError(f"The word {word!r} is not in {texts}; write it as it stands there.")
        return places


def _for_every_prompt(
    generator: torch.Generator | list[torch.Generator] | None, images: int, edited: int
) -> list[torch.Generator]:
    """A generator for each row, so that every prompt meets the same noise. The source's are the user's own."""
    if generator is None:
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
    own = [generator] * images if isinstance(generator, torch.Generator) else list(generator)
    if len(own) != images:
        raise ValueError(f"{len(own)} generators for {images} images of a prompt; give one, or one for each image.")
    rows = list(own)
    for _ in range(edited):
        clones = {id(one): _clone(one) for one in own}  # images that share a generator go on sharing one
        rows += [clones[id(one)] for one in own]
    return rows


def _clone(generator: torch.Generator) -> torch.Generator:
    return torch.Generator(generator.device).set_state(generator.get_state())


def _rows(latents: torch.Tensor, images: int) -> torch.Tensor:
    if len(latents) != images:
        raise ValueError(f"latents are of {len(latents)} images, but {images} are made of each prompt; give as many.")
    return latents
