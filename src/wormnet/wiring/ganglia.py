"""In which ganglion the body of each neuron lies: an order from head to tail, and no places."""

import functools
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from wormnet.wiring import atlas

__all__ = ["GANGLIA", "ganglion_of"]

GANGLIA: Mapping[str, str] = MappingProxyType(
    {
        "pharynx": "I1 I2 I3 I4 I5 I6 M1 M2 M3 M4 M5 MC MI NSM",
        "anterior ganglion": "BAG CEPV IL1 IL2 OLL OLQ RIP RME URA URB URY",
        "dorsal ganglion": "ALA CEPD RID URX",
        "lateral ganglion": "ADA ADE ADF ADL AFD AIB AIN AIZ AQR ASE ASG ASH ASI ASJ ASK AUA AVA AVB AVD AVE AVH AVJ "
        "AWA AWB AWC FLP RIA RIB RIC RIM RIV RMDL RMDR RMDV RMG SAAV SIBD SMDV",
        "ventral ganglion": "AIA AIM AIY AVK AVL RIH RIR RIS RMDD RMF RMH SAAD SIA SIBV SMB SMDD",
        "retrovesicular ganglion": "AS1 AVF AVG DA1 DB1 DB2 DD1 RIF RIG SAB VA1 VB1 VB2 VD1 VD2",
        "anterior body": "ALM AVM BDU SDQR",
        "middle of the body": "CAN HSN",
        "posterior body": "PDE PVD PVM SDQL",
        "ventral cord": "AS2 AS3 AS4 AS5 AS6 AS7 AS8 AS9 AS10 DA2 DA3 DA4 DA5 DA6 DA7 DB3 DB4 DB5 DB6 DB7 DD2 DD3 DD4 "
        "DD5 VA2 VA3 VA4 VA5 VA6 VA7 VA8 VA9 VA10 VA11 VB3 VB4 VB5 VB6 VB7 VB8 VB9 VB10 VB11 VC VD3 VD4 VD5 VD6 VD7 "
        "VD8 VD9 VD10 VD11",
        "preanal ganglion": "AS11 DA8 DA9 DD6 PDA PDB PVP PVT VA12 VD12 VD13",
        "dorsorectal ganglion": "DVA DVB DVC",
        "lumbar ganglion": "ALN LUA PHA PHB PHC PLM PLN PQR PVC PVN PVQ PVR PVW",
    }
)
"""The ganglia, and other parts of the hermaphrodite's body, roughly from head to tail: classes, halves of classes (CEPV
for CEPVL and CEPVR) and cells. Motor neurons of the cord are numbered from head to tail within their class.

Source: White et al. 1986, Phil. Trans. R. Soc. B 314, 1-340; White, Southgate & Durbin 1988, in The Nematode
Caenorhabditis elegans (Wood), appendix 2. The neurons of the pharynx lie in two bulbs, on which lists differ; here they
are one."""


@functools.cache
def _of_cell() -> Mapping[str, str]:
    """{cell: its ganglion}"""
    cells, found = atlas.cells(), {}
    for ganglion, names in GANGLIA.items():
        for name in names.split():
            both = [name + side for side in "LR" if name + side in cells]
            found |= dict.fromkeys([name] if name in cells else atlas.cells_of_class().get(name, both), ganglion)
    return MappingProxyType(found)


def ganglion_of(name: str) -> str | None:
    """Where in the body a neuron lies, in any spelling; of a class, where most of its neurons lie; None for others.

    >>> ganglion_of("AVAL"), ganglion_of("VA01"), ganglion_of("VA"), ganglion_of("n0")
    ('lateral ganglion', 'retrovesicular ganglion', 'ventral cord', None)
    """
    known, place = atlas.canonical(name), _of_cell()
    if known:
        return place.get(known)
    its_class = atlas.canonical_class(name) or atlas.class_of(name)
    cells = atlas.cells_of_class().get(its_class or "", ())
    commonest = Counter(place[cell] for cell in cells if cell in place).most_common(1)
    return commonest[0][0] if commonest else None
