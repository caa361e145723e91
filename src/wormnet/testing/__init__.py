"""The contract of a neuron model, for models of anyone's own: `check_model`. It needs no test framework."""

from wormnet.testing.check import BrokenClaim, check_model

__all__ = ["BrokenClaim", "check_model"]
