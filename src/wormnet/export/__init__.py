"""A trained layer in another place: C for a microcontroller, JavaScript for a page, ONNX for everything else."""

from wormnet.export.c_source import CSource, c
from wormnet.export.es_module import javascript
from wormnet.export.onnx_graph import OnnxFile, onnx

__all__ = ["CSource", "OnnxFile", "c", "javascript", "onnx"]
