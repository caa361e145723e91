"""The living circuit as a widget in a notebook."""

from typing import Any

from numpy.typing import ArrayLike

from wormnet.errors import need
from wormnet.export.network import network_of
from wormnet.live.page import content, program, style
from wormnet.nn.recurrent import Recurrent

__all__ = ["widget"]

RENDER = """
export default {
  render({ model, el }) {
    el.classList.add("wormnet-circuit");
    const mounted = mount(el, model.get("data"));
    return () => mounted.stop();
  },
};
"""


def widget(rnn: Recurrent, x: ArrayLike | None = None, **options: Any) -> Any:
    """The living circuit of `wormnet.page` as an anywidget, for Jupyter, marimo, Colab and VS Code.

    Args:
        rnn, x: as of `wormnet.page`.   options: its dt, head, title, layout and outputs.

    Raises: what `wormnet.page` raises; WormnetError without anywidget.
    """
    anywidget = need("anywidget", "anywidget", "a widget", extra="notebook")
    traitlets = need("traitlets", "traitlets", "a widget", extra="notebook")
    exported = network_of(rnn, options.pop("head", None))

    class Circuit(anywidget.AnyWidget):
        _esm = program(exported) + RENDER
        _css = style()
        data = traitlets.Dict().tag(sync=True)

    return Circuit(data=content(rnn, exported, x, **options))
