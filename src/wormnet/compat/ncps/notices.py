"""What is told, once each, where ncps 1.0.1 computes something else than it says and this does not."""

import warnings

from wormnet.errors import ArgumentError, unknown

__all__ = ["DIFFERENCES", "DifferenceWarning", "tell"]


class DifferenceWarning(UserWarning):
    """A use of ncps that computes something else here; the message says what and why."""


DIFFERENCES = {
    "timespans": "ncps spreads timespans (batch, time) over the neurons when the batch is as large as a layer; here "
    "each number belongs to its sequence.",
    "wired CfC": "on a wiring, the CfC of ncps joins every neuron to all of its own layer, reads absent synapses "
    "through the gate, and knows neither signs nor synapses that skip a layer; here its synapses are those of the "
    'wiring. synapses="layers" computes as ncps does.',
    "checkpoint": "these weights were trained by ncps, whose CfC on a wiring joins layers as a whole; the module now "
    'computes as ncps does (synapses="layers").',
    "masked cell": "these weights were trained by ncps, whose CfC cell reads absent synapses through the gate; the "
    "cell now computes as ncps does (masks_gate=False).",
    "outputs": "the CfC of ncps gives all neurons of a Random or FullyConnected wiring, whatever its output_dim; here "
    "it gives output_dim of them, the first ones.",
    "output_size": "the output_size of a CfC in ncps does not know proj_size; here it is the width of the output.",
    "dropout": "ncps has no backbone_dropout after the first backbone layer; here it acts after each.",
    "build": "ncps adds synapses whenever a wiring is built again, as each layer made on it does; here a wiring is "
    "built once.",
    "sensory_synapse_count": "sensory_synapse_count of layers and cells in ncps counts the synapses between neurons; "
    "here it counts those from the inputs.",
    "sensory nodes": "get_graph(include_sensory_neurons=False) of ncps includes them; here it does not.",
    "constraints": "conductances are below 0, which apply_weight_constraints() was to be called against after each "
    "step; here it is called for you.",
}
"""The text for each difference. docs/ncps.md lists them all."""

_told: set[str] = set()


def tell(difference: str) -> None:
    """Warn of a difference, once in a process (whenever it is met, if warnings are errors)."""
    if difference not in DIFFERENCES:
        raise ArgumentError(unknown("difference from ncps", difference, DIFFERENCES))
    if difference not in _told:
        warnings.warn(f"{DIFFERENCES[difference]} (Said once; see docs/ncps.md.)", DifferenceWarning, stacklevel=3)
        _told.add(difference)
