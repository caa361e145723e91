"""Layers of wormnet in RecurrentPPO of sb3-contrib."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from wormnet.control.cells import run, width_of
from wormnet.errors import ArgumentError, need
from wormnet.nn import Recurrent

__all__ = ["recurrent_policy"]


class _Cell(nn.Module):
    """A layer as sb3-contrib looks at an LSTM; all its states are kept side by side as h, and c is empty."""

    num_layers = 1

    def __init__(self, core: Any):
        super().__init__()
        if not isinstance(core, Recurrent):
            raise ArgumentError(
                f"core built a {type(core).__name__}; it takes a function (inputs) -> layer of wormnet."
            )
        self.core, self.input_size = core, core.n_inputs
        with torch.no_grad():
            _, state = core(torch.zeros(1, 1, core.n_inputs))
        self.hidden_size = packed(state).shape[-1]

    def states(self, h: Tensor) -> Any:
        """The layer's states from (batch, all of them)."""
        parts = h.split(self.core.wiring.n_neurons, -1)
        return tuple(parts) if len(parts) > 1 else h


def packed(state: Any) -> Tensor:
    """All states of a layer side by side: (batch, all of them)."""
    return torch.cat(state, -1) if isinstance(state, tuple) else state


@lru_cache(maxsize=1)
def recurrent_policy() -> Any:
    """The policy class that runs layers of wormnet in RecurrentPPO, over whole sequences, whatever starts inside.

        RecurrentPPO(recurrent_policy(), env, policy_kwargs={"core": lambda inputs: wormnet.LTC(...)})

    `core` is a function (inputs) -> layer; it is called once more for a critic of its own
    (`enable_critic_lstm`, which is on unless said otherwise).

    Raises: WormnetError without sb3-contrib: pip install "wormnet[sb3]".
    """
    policies = need("sb3_contrib.common.recurrent.policies", "sb3-contrib", "this policy", extra="sb3")
    spaces = need("gymnasium.spaces", "gymnasium", "this policy", extra="control")

    class CellPolicy(policies.RecurrentActorCriticPolicy):
        def __init__(
            self,
            observation_space: Any,
            action_space: Any,
            lr_schedule: Any,
            *args: Any,
            core: Callable[[int], Any],
            **options: Any,
        ):
            inputs = spaces.flatdim(observation_space)
            first = _Cell(core(inputs))
            options["lstm_hidden_size"] = width_of(first.core)
            super().__init__(observation_space, action_space, lr_schedule, *args, **options)
            self.lstm_actor = first
            if self.lstm_critic is not None:
                self.lstm_critic = _Cell(core(inputs))
            self.lstm_hidden_state_shape = (1, 1, first.hidden_size)
            # That of the LSTMs, which have gone.
            self.optimizer = self.optimizer_class(self.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)

        @staticmethod
        def _process_sequence(features: Tensor, lstm_states: Any, episode_starts: Tensor, lstm: Any) -> Any:
            sequences = lstm_states[0].shape[1]
            x = features.reshape(sequences, -1, lstm.input_size)
            starts = episode_starts.reshape(sequences, -1) > 0.5
            y, state = run(lstm.core, x, lstm.states(lstm_states[0][0]), starts)
            h = packed(state)[None]
            return y.flatten(0, 1), (h, torch.zeros_like(h))

    return CellPolicy
