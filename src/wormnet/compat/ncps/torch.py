"""The names of `ncps.torch`."""

from wormnet.compat.ncps.cfc import CfC
from wormnet.compat.ncps.cfc_cell import CfCCell
from wormnet.compat.ncps.ltc import LTC, LTCCell
from wormnet.compat.ncps.wired_cfc import WiredCfCCell

__all__ = ["LTC", "CfC", "CfCCell", "LTCCell", "WiredCfCCell"]
