"""Faster Diffusion: training-free acceleration of diffusers pipelines that have a UNet."""
