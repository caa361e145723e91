"""Named circuits of the worm, each with its paper.

`tap_withdrawal` is the published 11-cell control circuit with signs of its own. All others are cut from a connectome:
the cells are named, the synapses between them are those of the data set, the signs those of `polarity`.

    wiring = wormnet.circuits.klinotaxis("cook2019").clamp("ASEL", "ASER")

Args of each:
    dataset: the connectome, see `connectome`. The witvliet sets hold the brain only: a circuit with cells of the body
        is a WiringError there.
    polarity, weights: as of `connectome`.

The wiring's `source` names the circuit's own papers, then those of the connectome and the signs.
Which cells belong to a circuit is what its papers describe. Five lists are less settled than the others, only one
defensible choice, and say so.
"""

from collections.abc import Sequence

from wormnet.wiring.connectome import Polarity, connectome
from wormnet.wiring.core import CHEMICAL, GAP, Wiring

__all__ = [
    "chemotaxis",
    "command",
    "egg_laying",
    "klinotaxis",
    "locomotion",
    "navigation",
    "nictation",
    "nociception",
    "oxygen",
    "pharynx",
    "social_hub",
    "tap_withdrawal",
    "thermotaxis",
    "touch",
]

# Sender, receiver, sign, weight in S (Hasani et al. 2020); 0 is a weight too.
TAP_CHEMICAL = (
    ("PVD", "AVA", -1, 0.61),
    ("PVD", "PVC", -1, 0.59),
    ("PVD", "DVA", -1, 0.90),
    ("PLM", "AVA", -1, 0.85),
    ("PLM", "AVD", -1, 0.00),
    ("PLM", "DVA", -1, 0.91),
    ("ALM", "AVD", -1, 0.00),
    ("ALM", "PVC", -1, 0.71),
    ("AVM", "PVC", -1, 0.15),
    ("AVM", "AVB", -1, 0.93),
    ("AVD", "AVA", 1, 1.66),
    ("AVD", "PVC", 1, 1.34),
    ("AVD", "AVB", 1, 1.53),
    ("PVC", "AVA", 1, 1.33),
    ("PVC", "AVD", 1, 0.90),
    ("PVC", "AVB", 1, 0.95),
    ("PVC", "DVA", 1, 1.43),
    ("AVB", "AVA", -1, 0.23),
    ("AVB", "AVD", -1, 0.44),
    ("AVA", "AVD", -1, 0.49),
    ("AVA", "PVC", -1, 0.20),
    ("AVA", "AVB", -1, 0.59),
    ("DVA", "PVC", -1, 0.87),
    ("DVA", "AVB", -1, 0.87),
    ("AVB", "FWD", 1, 2.00),
    ("AVA", "REV", 1, 2.00),
)
# Both start at a sensory cell.
TAP_GAP = (("AVM", "AVD", 1.73), ("PLM", "PVC", 0.039))
# In the order of the published files.
TAP_CELLS = ("PVD", "PLM", "AVA", "AVD", "PVC", "AVB", "AVM", "ALM", "DVA", "FWD", "REV")
TAP_SENSORY = ("PVD", "PLM", "AVM", "ALM")


def tap_withdrawal(*, clamped: bool = True) -> Wiring:
    """The circuit that moves the worm back from a tap, as published with signs: 11 cells, 26 synapses, 2 gap junctions.

    Four touch cells (PVD, PLM, AVM, ALM), the command cells AVA, AVD, PVC, AVB, DVA, and two motor outputs FWD and REV
    that stand for forward and backward movement. Each cell stands for its class. 9 synapses excite, 17 inhibit.

    Args:
        clamped: the touch cells are inputs, whose potential is given from outside, as in the published policies. The
            two gap junctions start at touch cells; from a clamped cell they act one way, as in the published code.
            If False, the touch cells are neurons, and the junctions act both ways.

    Returns: a Wiring with 4 inputs and 7 neurons, or 11 neurons. Outputs are FWD, REV. Every count is 1; the published
        weights are those of `wormnet.wiring.tap.tw_pure`.
    Source: Hasani et al. 2020, ICML (ordinary neural circuits); cells: Wicks, Roehrig & Rankin 1996, J. Neurosci. 16,
    4017. All 24 synapses between the nine cells are in Cook 2019 and in White 1986. Their signs are fitted to
    behaviour; for touch cells they contradict those predicted from receptors.

    >>> tap_withdrawal()
    Wiring(4 inputs, 7 neurons, 2 outputs, 26 synapses, 2 gap junctions)
    >>> tap_withdrawal(clamped=False)
    Wiring(0 inputs, 11 neurons, 2 outputs, 26 synapses, 2 gap junctions)
    """
    roles = {"PVD": "sensory", "PLM": "sensory", "AVM": "sensory", "ALM": "sensory", "DVA": "inter"}
    place = {name: i for i, name in enumerate(TAP_CELLS)}
    synapses = [(pre, post, CHEMICAL, sign) for pre, post, sign, _ in TAP_CHEMICAL]
    synapses += [(pre, post, GAP, 0) for pre, post, _ in TAP_GAP]
    wiring = Wiring(
        0,
        TAP_CELLS,
        roles=[roles.get(name, "motor" if name in ("FWD", "REV") else "command") for name in TAP_CELLS],
        outputs=("FWD", "REV"),
        pre=[place[pre] for pre, _, _, _ in synapses],
        post=[place[post] for _, post, _, _ in synapses],
        kind=[kind for _, _, kind, _ in synapses],
        sign=[sign for _, _, _, sign in synapses],
        source="Hasani et al. 2020, ICML; Wicks, Roehrig & Rankin 1996, J. Neurosci. 16, 4017",
    )
    return wiring.clamp(*TAP_SENSORY) if clamped else wiring


def touch(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The nine classes of the tap withdrawal circuit, cut from a connectome: touch cells and command cells.

    Cells: PVD, PLM, AVA, AVD, PVC, AVB, AVM, ALM, DVA.
    Source: Chalfie et al. 1985, J. Neurosci. 5, 956; Wicks, Roehrig & Rankin 1996, J. Neurosci. 16, 4017.

    >>> touch()
    Wiring(0 inputs, 16 neurons, 16 outputs, 92 synapses, 34 gap junctions)
    """
    papers = "Chalfie et al. 1985, J. Neurosci. 5, 956; Wicks, Roehrig & Rankin 1996, J. Neurosci. 16, 4017"
    return _cut(papers, ["PVD", "PLM", "AVA", "AVD", "PVC", "AVB", "AVM", "ALM", "DVA"], dataset, polarity, weights)


def command(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The five classes of premotor command neurons, which choose between forward and backward movement.

    Cells: AVA, AVB, AVD, AVE, PVC.
    Source: Chalfie et al. 1985, J. Neurosci. 5, 956; Piggott et al. 2011; Kawano et al. 2011; Roberts et al. 2016.

    >>> command()
    Wiring(0 inputs, 10 neurons, 10 outputs, 69 synapses, 17 gap junctions)
    """
    papers = "Chalfie et al. 1985, J. Neurosci. 5, 956; Piggott et al. 2011; Kawano et al. 2011; Roberts et al. 2016"
    return _cut(papers, ["AVA", "AVB", "AVD", "AVE", "PVC"], dataset, polarity, weights)


def locomotion(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """Command neurons, RIM and the motor neurons of the ventral cord that they drive.

    Cells: AVA, AVB, AVD, AVE, PVC, RIM, DA, DB, VA, VB, AS, DD, VD.
    Source: White et al. 1986; Haspel & O'Donovan 2011; Xu et al. 2018.

    >>> locomotion()
    Wiring(0 inputs, 81 neurons, 69 outputs, 618 synapses, 230 gap junctions)
    """
    papers = "White et al. 1986; Haspel & O'Donovan 2011; Xu et al. 2018"
    return _cut(
        papers,
        ["AVA", "AVB", "AVD", "AVE", "PVC", "RIM", "DA", "DB", "VA", "VB", "AS", "DD", "VD"],
        dataset,
        polarity,
        weights,
    )


def klinotaxis(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The minimal circuit that steers the head along a salt gradient.

    Cells: ASE, AIY, AIZ, SMB.
    Source: Izquierdo & Lockery 2010, J. Neurosci. 30, 12908; Izquierdo & Beer 2013.

    >>> klinotaxis()
    Wiring(0 inputs, 10 neurons, 4 outputs, 25 synapses, 3 gap junctions)
    """
    papers = "Izquierdo & Lockery 2010, J. Neurosci. 30, 12908; Izquierdo & Beer 2013"
    return _cut(papers, ["ASE", "AIY", "AIZ", "SMB"], dataset, polarity, weights)


def navigation(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The circuit for turning and exploring while searching for food.

    Cells: AWC, ASE, ASK, AIA, AIB, AIY, AIZ, RIA, RIM, RIB, SMD, SMB, RIV, AVA.
    Source: Gray, Hill & Bargmann 2005, PNAS 102, 3184.

    >>> navigation()
    Wiring(0 inputs, 32 neurons, 10 outputs, 229 synapses, 42 gap junctions)
    """
    papers = "Gray, Hill & Bargmann 2005, PNAS 102, 3184"
    return _cut(
        papers,
        ["AWC", "ASE", "ASK", "AIA", "AIB", "AIY", "AIZ", "RIA", "RIM", "RIB", "SMD", "SMB", "RIV", "AVA"],
        dataset,
        polarity,
        weights,
    )


def nociception(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The circuit for avoiding what is harmful, from ASH and ADL to the command neurons.

    Cells: ASH, ADL, AIA, AIB, RIM, RIC, AVA, AVB, AVD, AVE.
    Source: Piggott et al. 2011; Mellem et al. 2002.

    >>> nociception()
    Wiring(0 inputs, 20 neurons, 20 outputs, 130 synapses, 31 gap junctions)
    """
    papers = "Piggott et al. 2011; Mellem et al. 2002"
    return _cut(
        papers, ["ASH", "ADL", "AIA", "AIB", "RIM", "RIC", "AVA", "AVB", "AVD", "AVE"], dataset, polarity, weights
    )


def social_hub(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The gap junction hub RMG and the sensory neurons around it, linked to aggregation.

    Cells: RMG, URX, ASK, ADL, AWB, ASH, IL2.
    Source: Macosko et al. 2009.

    >>> social_hub()
    Wiring(0 inputs, 18 neurons, 18 outputs, 35 synapses, 19 gap junctions)
    """
    papers = "Macosko et al. 2009"
    return _cut(papers, ["RMG", "URX", "ASK", "ADL", "AWB", "ASH", "IL2"], dataset, polarity, weights)


def pharynx(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """The twenty neurons of the pharynx, a nervous system of its own.

    Cells: I1 to I6, M1 to M5, MC, MI, NSM.
    Source: Albertson & Thomson 1976; Cook et al. 2020; Trojanowski et al. 2014.

    >>> pharynx()
    Wiring(0 inputs, 20 neurons, 10 outputs, 141 synapses, 32 gap junctions)
    """
    papers = "Albertson & Thomson 1976; Cook et al. 2020; Trojanowski et al. 2014"
    return _cut(papers, _PHARYNX, dataset, polarity, weights)


def chemotaxis(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """Less settled: from the odour sensors AWC to steering and reversals.

    Cells: AWC, AIY, AIB, AIA, AIZ, RIA, RIM, AVA, SMB.
    Source: Chalasani et al. 2007; Iino & Yoshida 2009.

    >>> chemotaxis()
    Wiring(0 inputs, 20 neurons, 4 outputs, 93 synapses, 17 gap junctions)
    """
    papers = "Chalasani et al. 2007; Iino & Yoshida 2009"
    return _cut(papers, ["AWC", "AIY", "AIB", "AIA", "AIZ", "RIA", "RIM", "AVA", "SMB"], dataset, polarity, weights)


def thermotaxis(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """Less settled: from the thermosensors AFD and AWC to the motor neurons of the head.

    Cells: AFD, AWC, AIY, AIZ, AIB, RIA, RIM, SMD, SMB, RMD.
    Source: Mori & Ohshima 1995; Kuhara et al. 2008.

    >>> thermotaxis()
    Wiring(0 inputs, 28 neurons, 14 outputs, 176 synapses, 36 gap junctions)
    """
    papers = "Mori & Ohshima 1995; Kuhara et al. 2008"
    return _cut(
        papers, ["AFD", "AWC", "AIY", "AIZ", "AIB", "RIA", "RIM", "SMD", "SMB", "RMD"], dataset, polarity, weights
    )


def oxygen(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """Less settled: the sensors of oxygen and carbon dioxide and what they drive.

    Cells: URX, AQR, PQR, BAG, SDQ, RMG, AUA, AIY, RIA, AVA.
    Source: Gray et al. 2004; Zimmer et al. 2009.

    >>> oxygen()
    Wiring(0 inputs, 18 neurons, 18 outputs, 63 synapses, 10 gap junctions)
    """
    papers = "Gray et al. 2004; Zimmer et al. 2009"
    return _cut(
        papers, ["URX", "AQR", "PQR", "BAG", "SDQ", "RMG", "AUA", "AIY", "RIA", "AVA"], dataset, polarity, weights
    )


def nictation(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """Less settled: IL2 and the neurons of the head that let a dauer larva stand and wave.

    Cells: IL2, RMG, RIH, URA, RME, RMD, RIP, IL1.
    Source: Lee et al. 2012.

    >>> nictation()
    Wiring(0 inputs, 31 neurons, 14 outputs, 174 synapses, 39 gap junctions)
    """
    papers = "Lee et al. 2012"
    return _cut(papers, ["IL2", "RMG", "RIH", "URA", "RME", "RMD", "RIP", "IL1"], dataset, polarity, weights)


def egg_laying(dataset: str = "cook2019", *, polarity: Polarity = "gaba", weights: str = "count") -> Wiring:
    """Less settled: the neurons that drive the vulval muscles; the muscles are not among them.

    Cells: HSN, VC.
    Source: Collins et al. 2016.

    >>> egg_laying()
    Wiring(0 inputs, 8 neurons, 8 outputs, 21 synapses, 7 gap junctions)
    """
    papers = "Collins et al. 2016"
    return _cut(papers, ["HSN", "VC"], dataset, polarity, weights)


_PHARYNX = ("I1", "I2", "I3", "I4", "I5", "I6", "M1", "M2", "M3", "M4", "M5", "MC", "MI", "NSM")


def _cut(papers: str, cells: Sequence[str], dataset: str, polarity: Polarity, weights: str) -> Wiring:
    """The cells of a circuit and the synapses between them, with the circuit's papers in front of the connectome's."""
    wiring = connectome(dataset, cells=cells, polarity=polarity, weights=weights)
    return wiring.replace(source=f"{papers}; {wiring.source}")
