"""A trained layer in another place: C for a microcontroller, JavaScript for a page, Keras, ONNX for everything else."""

from wormnet.export.c_source import CSource, c
from wormnet.export.es_module import javascript
from wormnet.export.keras_model import KerasFile, keras
from wormnet.export.onnx_graph import OnnxFile, onnx

__all__ = ["CSource", "KerasFile", "OnnxFile", "c", "javascript", "keras", "onnx"]
