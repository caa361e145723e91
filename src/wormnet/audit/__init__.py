"""Looking into a network: stimulate it, record it, compare it with its nulls, measure its dynamics."""

from wormnet.audit.dynamics import Dynamics, dynamics, steepest, variance_explained
from wormnet.audit.stimulate import Recording, dealt, stimulate

__all__ = ["Dynamics", "Recording", "dealt", "dynamics", "steepest", "stimulate", "variance_explained"]
