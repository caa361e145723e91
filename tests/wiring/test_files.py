import json

import pytest
from hypothesis import given
from strategies import wirings

from wormnet import WiringError
from wormnet.wiring import Wiring
from wormnet.wiring.files import from_json, to_json

SMALL = Wiring(["a"], ["b", "c"], pre=[0, 1], post=[1, 2], sign=[1, -1])


@given(wirings(names=True))
def test_json_gives_back_the_same_wiring(wiring):
    again = from_json(to_json(wiring))
    assert again == wiring
    assert again.to_dict() == wiring.to_dict()
