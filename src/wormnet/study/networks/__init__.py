"""The networks that come with the package, each registered under its name when this is imported."""

from wormnet.study.networks import ablation, gated, parallel, worm

__all__ = ["ablation", "gated", "parallel", "worm"]
