"""Looking into a network: stimulate and record it, find what it attends to, what it needs, and why it acts so."""

from wormnet.audit.activities import Activity, activity
from wormnet.audit.attribution import Attribution, integrated_gradients
from wormnet.audit.certified_bounds import Bounds, bounds
from wormnet.audit.dynamics import Dynamics, dynamics, steepest, variance_explained
from wormnet.audit.flip import Flip, smallest_lesion
from wormnet.audit.lesion_tables import Lesions, lesions
from wormnet.audit.reasons import Why, why
from wormnet.audit.saliency import Saliency, visual_backprop
from wormnet.audit.similarity import Similarity, ssim
from wormnet.audit.stimulate import Recording, dealt, stimulate

__all__ = [
    "Activity",
    "Attribution",
    "Bounds",
    "Dynamics",
    "Flip",
    "Lesions",
    "Recording",
    "Saliency",
    "Similarity",
    "Why",
    "activity",
    "bounds",
    "dealt",
    "dynamics",
    "integrated_gradients",
    "lesions",
    "smallest_lesion",
    "ssim",
    "steepest",
    "stimulate",
    "variance_explained",
    "visual_backprop",
    "why",
]
