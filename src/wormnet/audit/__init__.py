"""What a trained network does inside: the dynamics of its states."""

from wormnet.audit.dynamics import Dynamics, dynamics, steepest, variance_explained

__all__ = ["Dynamics", "dynamics", "steepest", "variance_explained"]
