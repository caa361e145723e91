"""Rows of results as CSV text or as a data frame."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from wormnet.errors import need

__all__ = ["Rows"]


class Rows:
    """What a result with rows is written as."""

    def rows(self) -> Sequence[dict[str, Any]]:
        """A dictionary with the same keys for each row."""
        raise NotImplementedError

    def to_csv(self) -> str:
        """The rows as CSV text, their names in the first line."""
        rows, text = self.rows(), io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def to_frame(self) -> Any:
        """The rows as a pandas.DataFrame. Raises: WormnetError without pandas."""
        return need("pandas", "pandas", "a data frame", extra="study").DataFrame(list(self.rows()))
