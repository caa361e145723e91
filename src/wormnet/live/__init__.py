"""A network as a living circuit: one page that runs it, or a widget in a notebook."""

from wormnet.live.bare import untrained
from wormnet.live.page import page
from wormnet.live.widget import widget

__all__ = ["page", "untrained", "widget"]
