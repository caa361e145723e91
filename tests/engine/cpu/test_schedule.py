"""Sequences laid end to end in lanes: each runs once, whole, and no later than its lane allows."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.schedule import STRETCH, SWITCH, schedule_of


def alone(lengths):
    """The ticks of blocks in which each lane has one sequence, the longest first."""
    return int(np.sort(lengths)[::-1][::LANES].sum())


def parts(schedule):
    first, last, blocks, switches = (one.numpy() for one in schedule[:4])
    return first.reshape(3, -1), last.reshape(3, -1), blocks.reshape(-1, 2), switches.reshape(-1, SWITCH)


@st.composite
def batches(draw):
    time = draw(st.integers(0, 60))
    most = draw(st.sampled_from([time, time // 8, 0]))
    lengths = draw(st.lists(st.one_of(st.integers(0, most), st.just(time)), max_size=150))
    return np.array(lengths, np.int64), time


@given(batches(), st.booleans())
def test_every_sequence_runs_once_from_its_first_sample_to_its_last(batch, refill):
    lengths, time = batch
    made = schedule_of(torch.from_numpy(lengths), len(lengths), time, refill=refill)
    first, last, blocks, switches = parts(made)
    assert made.n_blocks == -(-first.shape[1] // LANES)
    assert (first[2] == last[2]).all()
    assert (np.diff(first[2]) <= 0).all()
    run = []
    for block in range(made.n_blocks):
        now = first[:, block * LANES : (block + 1) * LANES].copy()
        begin = np.zeros(now.shape[1], np.int64)
        assert blocks[block + 1, 0] - blocks[block, 0] == now[2, 0]
        ticks = 0
        for tick, lane, old, was, new, origin in switches[blocks[block, 1] : blocks[block + 1, 1]]:
            assert tick >= ticks
            ticks = tick
            assert (now[0, lane], now[1, lane]) == (old, was)
            assert was + begin[lane] == old * time
            assert tick - begin[lane] == lengths[old]
            assert origin + tick == new * time
            begin[lane], now[0, lane], now[1, lane] = tick, new, origin
            run.append(old)
        assert (now == last[:, block * LANES : (block + 1) * LANES]).all()
        assert (now[1] + begin == now[0] * time).all()
        assert (now[2] - begin == lengths[now[0]]).all()
        run += now[0].tolist()
    assert sorted(run) == list(range(len(lengths)))


@given(batches())
def test_no_more_ticks_than_with_one_sequence_in_each_lane_and_none_of_them_much_later(batch):
    lengths, time = batch
    _, _, blocks, switches = parts(schedule_of(torch.from_numpy(lengths), len(lengths), time, refill=True))
    assert blocks[-1, 0] <= alone(lengths)
    if len(switches):
        assert np.diff(blocks[:, 0]).max() <= STRETCH * lengths.max()


def test_lanes_are_filled_where_lengths_differ():
    lengths = np.random.default_rng(0).permutation(np.linspace(1, 100, 64).round().astype(np.int64))
    _, _, blocks, switches = parts(schedule_of(torch.from_numpy(lengths), 64, 100, refill=True))
    assert alone(lengths) == 250
    assert blocks[-1, 0] == 202
    assert len(switches) == 32


def test_lengths_outside_of_the_time_axis_stay_within_it():
    first, _, blocks, _ = parts(schedule_of(torch.tensor([9, -3, 4]), 3, 5, refill=True))
    assert first[2].tolist() == [5, 4, 0]
    assert blocks[-1, 0] == 5


def test_lengths_may_be_a_view_and_of_any_whole_type():
    every = torch.tensor([5, 9, 2, 9, 4, 9])
    expected = schedule_of(every[::2].clone(), 3, 6, refill=True)
    for view in (every[::2], every[::2].int(), every[::2].to(torch.uint8)):
        made = schedule_of(view, 3, 6, refill=True)
        assert all(map(torch.equal, made[:4], expected[:4]))


def test_sequences_of_one_length_stay_as_they_come():
    first, _, _, switches = parts(schedule_of(None, 20, 7, refill=False))
    assert (first[0] == np.arange(20)).all()
    assert (first[1] == 7 * np.arange(20)).all()
    assert not len(switches)


def test_a_kept_schedule_serves_the_lengths_that_it_was_made_of_and_no_others():
    lengths = torch.tensor([5, 9, 2])
    made = schedule_of(lengths, 3, 9, refill=True)
    assert schedule_of(lengths.clone(), 3, 9, refill=True) is made
    lengths[0] = 7
    assert schedule_of(lengths, 3, 9, refill=True).first[2 * 3 :].tolist() == [9, 7, 2]
    assert schedule_of(torch.tensor([5, 9, 2]), 3, 9, refill=True) is made
    assert schedule_of(torch.tensor([5, 9, 2]), 3, 12, refill=True).first.tolist() != made.first.tolist()


def test_a_call_may_change_its_own_lanes_and_no_other_sees_it():
    lengths = torch.tensor([9, 1] * 40)
    made = schedule_of(lengths, 80, 9, refill=True)
    before = made.first.clone(), made.last.clone()
    for lanes in (made.first, made.last):
        made.own(lanes).zero_()
    assert torch.equal(made.first, before[0])
    assert torch.equal(made.last, before[1])
