"""How far results may lie apart: the table that ships with the library."""

from wormnet.testing.tolerances import AGAINST_REFERENCE, SAME_ENGINE, close

__all__ = ["AGAINST_REFERENCE", "SAME_ENGINE", "close"]
