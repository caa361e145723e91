"""Launches the Triton kernels, and turns their sums into the gradients of the parameters."""

# Triton's launches take numbers where the kernels' annotations speak of tl.constexpr, and options besides.
# pyright: reportArgumentType=false, reportCallIssue=false

import torch
from torch import Tensor

from wormnet.kernels.gpu import samples, sequence
from wormnet.kernels.gpu.arguments import (
    Call,
    Plan,
    Saved,
    blocked,
    chunks_of,
    dt_strides,
    in_lists,
    in_rows,
    packed,
    padded,
    parts,
    shared,
    tile_size,
    warps,
)
from wormnet.kernels.gpu.tables import Edges

__all__ = ["backward", "forward"]


def forward(plan: Plan, call: Call) -> tuple[Saved, Tensor, Tensor]:
    """Saved, kept, final."""
    (batch, time, _), n, lanes = call.x.shape, plan.tables.n_neurons, plan.lanes
    blocks, steps = parts(batch, lanes), time * plan.unfolds
    states = call.x.new_empty(blocks, steps + 1 if plan.save else 2, n, lanes)
    states[:, 0] = blocked(call.v0, blocks, lanes)
    saved = Saved(
        states,
        call.x.new_empty((blocks, steps, n, lanes) if plan.save else 0),
        call.x.new_empty((blocks, steps, n, lanes) if plan.needs_rate else 0),
    )
    kept, final = call.x.new_empty(batch, time, len(plan.keep)), torch.empty_like(call.v0)
    if blocks * n:
        drive_in, pull_in = _from_inputs(plan, call, blocks)
        chemical, linear = plan.tables.chemical_neuron, plan.tables.linear_neuron
        rows, sizes = in_rows(call, (chemical, chemical.rows_by_post), (linear, linear.rows_by_post), lanes)
        n_rows = rows["chem_rows"], rows["lin_rows"]
        sequence.forward[(blocks,)](
            **saved._asdict(),
            kept=kept,
            final=final,
            row_drive=call.x.new_empty(blocks, sum(n_rows), lanes),
            row_pull=call.x.new_empty(blocks, n_rows[0], lanes),
            drive_in=drive_in,
            pull_in=pull_in,
            keep=plan.keep,
            **rows,
            **shared(plan, call),
            **sizes,
            SAVE=plan.save,
            RATE=plan.needs_rate,
        )
    return saved, kept, final


def backward(plan: Plan, call: Call, saved: Saved, d_kept: Tensor, d_final: Tensor) -> tuple[Tensor | None, ...]:
    """Gradients of all that Call holds behind `lengths`, in its order."""
    (batch, _, _), n = call.x.shape, plan.tables.n_neurons
    if not batch * n:
        return tuple(torch.zeros_like(values) for values in call[1:])  # pyright: ignore[reportArgumentType]
    adjoint, through, d_v0 = _walk_back(plan, call, saved, d_kept, d_final)
    sum_drive, sum_pull, d_capacitance, d_dt = _neuron_sums(plan, call, saved, adjoint, through)
    d_drive, d_pull = sum_drive.sum((0, 1, 3)), -sum_pull.sum((0, 1, 3))
    d_x = _to_inputs(plan, call, sum_drive, sum_pull)
    d_chemical = _chemical(plan, call, saved, through, sum_drive, sum_pull)
    d_linear = _linear(plan, call, saved, through, sum_drive, d_pull)
    return d_dt, d_x, d_v0, d_capacitance, d_drive, d_pull, *d_chemical, d_linear


# -- the launches ------------------------------------------------------------------------------------------------------


def _from_inputs(plan: Plan, call: Call, blocks: int) -> tuple[Tensor, Tensor]:
    (batch, time, n_inputs), n, lanes = call.x.shape, plan.tables.n_neurons, plan.lanes
    tables, pull_alone = plan.tables, call.pull_alone
    if tables.gap.shape[1]:
        # A gap junction pulls with its conductance, whatever the states are.
        pull_alone = pull_alone + padded(call.linear)[tables.gap].sum(1)
    drive_in, pull_in = call.x.new_empty(2, blocks, time, n, lanes)
    if time:
        tile = tile_size(n, lanes)
        samples.from_inputs[(blocks * time, parts(n * lanes, tile))](
            drive_in,
            pull_in,
            call.x,
            call.drive_alone,
            pull_alone,
            **in_lists(call, tables.chemical_input, tables.linear_input, by_post=True),
            batch=batch,
            time=time,
            n_inputs=n_inputs,
            n_neurons=n,
            LANES=lanes,
            TILE=tile,
            num_warps=warps(tile),
        )
    return drive_in, pull_in


def _walk_back(plan: Plan, call: Call, saved: Saved, d_kept: Tensor, d_final: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    n, lanes, blocks = plan.tables.n_neurons, plan.lanes, saved.states.shape[0]
    chemical, linear = plan.tables.chemical_neuron, plan.tables.linear_neuron
    rows, sizes = in_rows(call, (chemical, chemical.rows_by_pre), (linear, linear.rows_by_pre), lanes)
    adjoint = torch.empty_like(saved.inverse)
    through = torch.empty_like(adjoint) if plan.tanh else adjoint
    d_v0 = torch.empty_like(call.v0)
    sequence.backward[(blocks,)](
        **saved._asdict(),
        adjoint=adjoint,
        through=through,
        d_v0=d_v0,
        carried=call.x.new_empty(blocks, 2, n, lanes),
        row_back=call.x.new_zeros(blocks, rows["chem_rows"] + rows["lin_rows"], lanes),
        d_kept=d_kept,
        d_final=d_final,
        place=plan.place,
        chem_owner=chemical.rows_by_pre.owner,
        **rows,
        **shared(plan, call),
        **sizes,
    )
    return adjoint, through, d_v0


def _neuron_sums(
    plan: Plan, call: Call, saved: Saved, adjoint: Tensor, through: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    (batch, time, _), n, lanes = call.x.shape, plan.tables.n_neurons, plan.lanes
    blocks, tile = saved.states.shape[0], tile_size(n, lanes)
    chunk, chunks = chunks_of(time, blocks)
    sum_drive, sum_pull = call.x.new_empty(2, blocks, time, n, lanes)
    d_capacitance = call.x.new_empty(blocks, chunks, n, lanes)
    d_dt = call.x.new_empty(parts(n * lanes, tile) if plan.needs_dt else 0, batch, time)
    if time:
        samples.neuron_sums[(blocks, chunks, parts(n * lanes, tile))](
            sum_drive,
            sum_pull,
            d_capacitance,
            d_dt,
            adjoint,
            through,
            saved.states,
            saved.rate,
            call.dt,
            batch=batch,
            time=time,
            n_neurons=n,
            chunk=chunk,
            **dt_strides(call.dt),
            UNFOLDS=plan.unfolds,
            LANES=lanes,
            TILE=tile,
            TANH=plan.tanh,
            NEEDS_DT=plan.needs_dt,
            num_warps=warps(tile),
        )
    by_dt = d_dt.sum(0)
    by_dt = by_dt.sum().reshape(1, 1) if call.dt.shape == (1, 1) else by_dt
    return sum_drive, sum_pull, d_capacitance.sum((0, 1, 3)), by_dt if plan.needs_dt else None


def _to_inputs(plan: Plan, call: Call, sum_drive: Tensor, sum_pull: Tensor) -> Tensor:
    (batch, time, n_inputs), lanes, blocks = call.x.shape, plan.lanes, sum_drive.shape[0]
    d_x, tile = torch.empty_like(call.x), tile_size(n_inputs, lanes)
    if d_x.numel():
        samples.to_inputs[(blocks * time, parts(n_inputs * lanes, tile))](
            d_x,
            call.x,
            sum_drive,
            sum_pull,
            **in_lists(call, plan.tables.chemical_input, plan.tables.linear_input, by_post=False),
            batch=batch,
            time=time,
            n_inputs=n_inputs,
            n_neurons=plan.tables.n_neurons,
            LANES=lanes,
            TILE=tile,
            num_warps=warps(tile),
        )
    return d_x


def _edge_sums(plan: Plan, call: Call, edges: Edges, u: Tensor, drive: Tensor, pull: Tensor, params: Tensor) -> Tensor:
    """(4 or 1, edges), as kernels.gpu.samples.edge_sums says; u: inputs, or states with the new ones as `pull`."""
    (batch, time, n_inputs), n, lanes = call.x.shape, plan.tables.n_neurons, plan.lanes
    (blocks, slots), n_edges = drive.shape[:2], len(edges.pre)
    if not n_edges * slots:
        return call.x.new_zeros(4, n_edges)
    from_states = u is not call.x
    if from_states:
        strides = {"u_slots": slots + 1, "u_slot": n * lanes, "u_cell": lanes, "u_lane": 1, "pull_slots": slots + 1}
    else:
        strides = {"u_slots": lanes * time, "u_slot": n_inputs, "u_cell": 1, "u_lane": time * n_inputs}
        strides["pull_slots"] = slots
    chunk, chunks = chunks_of(slots, blocks)
    tile = tile_size(n_edges, lanes)
    sums = call.x.new_empty(blocks, chunks, 4 if params.dim() == 2 else 1, n_edges, lanes)
    samples.edge_sums[(blocks, chunks, parts(n_edges * lanes, tile))](
        sums,
        u,
        drive,
        pull,
        edges.pre,
        edges.post,
        params,
        batch=batch,
        slots=slots,
        n_neurons=n,
        n_edges=n_edges,
        chunk=chunk,
        **strides,
        LANES=lanes,
        TILE=tile,
        CHEMICAL=params.dim() == 2,
        FROM_STATES=from_states,
        num_warps=warps(tile),
    )
    return sums.sum((0, 1, 4))


def _chemical(
    plan: Plan, call: Call, saved: Saved, through: Tensor, sum_drive: Tensor, sum_pull: Tensor
) -> tuple[Tensor, ...]:
    tables = plan.tables
    from_input = _edge_sums(
        plan, call, tables.chemical_input, call.x, sum_drive, sum_pull, packed(call, tables.chemical_input)
    )
    from_neuron = _edge_sums(
        plan,
        call,
        tables.chemical_neuron,
        saved.states,
        through,
        saved.states[:, 1:],
        packed(call, tables.chemical_neuron),
    )
    opened_pull, opened_drive, by_slope, by_argument = torch.cat([from_input, from_neuron], 1)[:, tables.chemical_slot]
    d_conductance = call.reversal * opened_drive - opened_pull
    return d_conductance, by_slope, -call.slope * by_argument, call.conductance * opened_drive


def _linear(plan: Plan, call: Call, saved: Saved, through: Tensor, sum_drive: Tensor, d_pull: Tensor) -> Tensor:
    tables, halves = plan.tables, []
    for edges, u, drive in (
        (tables.linear_input, call.x, sum_drive),
        (tables.linear_neuron, saved.states, through),
    ):
        halves.append(_edge_sums(plan, call, edges, u, drive, drive, call.linear)[0])
    return padded(torch.cat(halves))[tables.linear_slot].sum(1) + padded(d_pull)[tables.gap_post].sum(1)
