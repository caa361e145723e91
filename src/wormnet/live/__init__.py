"""A network as a living circuit: one page that runs it, or a widget in a notebook."""

from wormnet.live.page import page

__all__ = ["page"]
