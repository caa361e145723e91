"""Data sets with honest splits and trivial baselines, and `Sequences` for a user's own data.

dataset = wormnet.data.load("japanese_vowels")
dataset.train.x, dataset.train.y, dataset.train.lengths
dataset.baselines
"""

from wormnet.data.about import About, Files
from wormnet.data.dataset import Dataset
from wormnet.data.download import Checked
from wormnet.data.registry import fetch, info, load, names, register, verify
from wormnet.data.sequences import Sequences

__all__ = ["About", "Checked", "Dataset", "Files", "Sequences", "fetch", "info", "load", "names", "register", "verify"]
