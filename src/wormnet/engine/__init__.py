"""The engines: a model on a wiring, over whole batches of sequences.

`layout` turns a program (a model as data, `program`) and a wiring into index tables; `reference` runs it on torch
tensors; `cpu` and `gpu` each compile the model's functions into one loop over time, which `operator` exposes to torch;
`dispatch` chooses an engine.
"""
