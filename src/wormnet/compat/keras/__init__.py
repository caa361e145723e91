"""The layers for Keras 3, on its torch, JAX and TensorFlow back ends: the same formulas, in `keras.ops`.

Files that Keras saves hold the wiring; import this module before you load one, so that Keras knows the layers.
"""

from wormnet.compat.keras.layers import CTRNN, LTC, CfC, from_torch, to_torch

__all__ = ["CTRNN", "LTC", "CfC", "from_torch", "to_torch"]
