import pytest
import torch


@pytest.fixture
def nothing_is_left_to_chance():
    """Empty memory is filled with NaN, and an operation of torch whose order of summation may vary raises."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)
