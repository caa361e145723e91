"""Looking into a network: stimulate it, record it, compare it with its nulls."""

from wormnet.audit.stimulate import Recording, dealt, stimulate

__all__ = ["Recording", "dealt", "stimulate"]
