"""Faster spellings of `wormnet.models`, chosen by `dispatch`."""

from wormnet.errors import BackendError

__all__ = ["check_history"]


def check_history(kept: bool) -> None:
    """BackendError unless the way there has kept what the way back needs."""
    if not kept:
        raise BackendError(
            "the kernels were called, traced or exported without gradients and have kept nothing to differentiate "
            "with; call, trace or export with gradients enabled (outside of torch.no_grad())."
        )
