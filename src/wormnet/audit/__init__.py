"""Looking into a network: stimulate and record it, measure its dynamics and attention, compare it with its nulls."""

from wormnet.audit.attribution import Attribution, integrated_gradients
from wormnet.audit.dynamics import Dynamics, dynamics, steepest, variance_explained
from wormnet.audit.saliency import Saliency, visual_backprop
from wormnet.audit.similarity import Similarity, ssim
from wormnet.audit.stimulate import Recording, dealt, stimulate

__all__ = [
    "Attribution",
    "Dynamics",
    "Recording",
    "Saliency",
    "Similarity",
    "dealt",
    "dynamics",
    "integrated_gradients",
    "ssim",
    "steepest",
    "stimulate",
    "variance_explained",
    "visual_backprop",
]
