"""Build the tables of published connectomes that the package ships, from `cect`.

    python -m venv /tmp/cect && /tmp/cect/bin/pip install cect==0.3.5    # 1.2 GB; nothing of it is needed afterwards
    /tmp/cect/bin/python scripts/build_tables.py [FOLDER]                # default: src/wormnet/wiring/tables

Same `cect`, same bytes. The tables are text: `zcat cook2019.csv.gz`.
"""

import contextlib
import csv
import gzip
import hashlib
import importlib
import importlib.metadata
import io
import re
import sys
import warnings
from pathlib import Path

TABLES = Path(__file__).parent.parent / "src/wormnet/wiring/tables"
CECT = "0.3.5"

MIT_COPY = "none stated by the paper; cect redistributes it under MIT"
CONTACTS = "number of synaptic contacts, whatever their size"
ZONES = "number of presynaptic active zones that two of three annotators agree on; brain only, gap junctions incomplete"
WITVLIET = "Witvliet et al. 2021, Nature 596, 257-261"
STAGES = ("L1", "L1", "L1", "L1", "L2", "L3", "adult", "adult")

# name: (reader, paper, DOI as the documentation of cect has it, what a count is, licence)
CONNECTOMES = {
    "cook2019": (
        "Cook2019HermReader",
        "Cook et al. 2019, Nature 571, 63-71 (hermaphrodite, corrected July 2020)",
        "10.1038/s41586-019-1352-7",
        "number of EM serial sections, so number of synapses times their size",
        MIT_COPY,
    ),
    "varshney2011": (
        "VarshneyDataReader",
        "Varshney et al. 2011, PLoS Comput. Biol. 7, e1001066",
        "10.1371/journal.pcbi.1001066",
        CONTACTS + "; somatic neurons, neuromuscular junctions all to one cell BWM",
        "CC BY (PLOS)",
    ),
    "white1986": (
        "White_whole",
        "White et al. 1986, Phil. Trans. R. Soc. Lond. B 314, 1-340 (whole animal, as re-read by Varshney et al. 2011)",
        "",
        CONTACTS,
        MIT_COPY,
    ),
    **{
        f"witvliet{i}": (
            f"WitvlietDataReader{i}",
            f"{WITVLIET} (data set {i}, {stage})",
            "10.1038/s41586-021-03778-8",
            ZONES,
            MIT_COPY,
        )
        for i, stage in enumerate(STAGES, 1)
    },
}

# Classes whose members differ in D and V as well as in L and R.
DORSOVENTRAL = ["CEP", "IL1", "IL2", "OLQ", "RMD", "RME", "SAA", "SAB", "SIA", "SIB", "SMB", "SMD", "URA", "URY"]


def main(folder: Path) -> None:
    """Write all tables and SOURCES.toml into a folder."""
    version = importlib.metadata.version("cect")
    if version != CECT:
        sys.exit(f"cect {version} is installed; the tables are built from cect {CECT}: pip install cect=={CECT}")
    warnings.simplefilter("ignore")
    edges = {name: read(reader) for name, (reader, *_) in CONNECTOMES.items()}
    cells = cell_table({end for rows in edges.values() for row in rows for end in row[1:3]})
    place = {row[0]: i for i, row in enumerate(cells)}
    folder.mkdir(parents=True, exist_ok=True)
    sources = []
    for name, (reader, paper, doi, counts, licence) in CONNECTOMES.items():
        rows = sorted(edges[name], key=lambda row: (row[0], place[row[2]], place[row[1]]))
        origin = f"cect {CECT}, cect.readers.{reader}"
        put(folder / f"{name}.csv.gz", ("kind", "pre", "post", "count"), rows)
        sources.append((name, f"{name}.csv.gz", paper, doi, counts, origin, licence))
    put(folder / "cells.csv", ("name", "kind", "class", "role", "pharyngeal", "partner", "transmitters"), cells)
    sources.append(
        (
            "cells",
            "cells.csv",
            "transmitters: Wang et al. 2024, eLife 13, RP95402; classes, roles, partners: cect",
            "10.7554/eLife.95402.3",
            "transmitters in the order of the paper's table, with what is only taken up or unknown",
            f"cect {CECT}, cect.Cells and cect.readers.Wang2024Reader",
            "CC BY (eLife); MIT (cect)",
        )
    )
    put(folder / "fenyves2020.csv.gz", ("pre", "post", "transmitter", "count", "sign"), fenyves(place))
    sources.append(
        (
            "fenyves2020",
            "fenyves2020.csv.gz",
            "Fenyves et al. 2020, PLoS Comput. Biol. 16, e1007974",
            "10.1371/journal.pcbi.1007974",
            "number of EM serial sections of the release they used; sign as predicted: +, -, complex, no pred",
            "S3 data of the paper, sheet 5; read from the copy in wormneuroatlas "
            + importlib.metadata.version("wormneuroatlas"),
            "CC BY (PLOS)",
        )
    )
    write_sources(folder, sources)


def read(reader: str) -> list[tuple[str, str, str, str]]:
    """(kind, pre, post, count) of every synapse, gap junctions once per pair."""
    with contextlib.redirect_stdout(io.StringIO()):
        data = importlib.import_module(f"cect.readers.{reader}").get_instance(from_cache=True)
    nodes, rows = list(data.nodes), []
    for kind, synclass in (("chemical", "Generic_CS"), ("gap", "Generic_GJ")):
        counts = data.connections[synclass]
        if kind == "gap" and (counts != counts.T).any():
            sys.exit(f"{reader}: gap junctions are not the same both ways")
        for i, j in zip(*counts.nonzero(), strict=True):
            if counts[i, j] != int(counts[i, j]):
                sys.exit(f"{reader}: {nodes[i]} -> {nodes[j]} has a count of {counts[i, j]}")
            if kind == "chemical" or nodes[i] <= nodes[j]:
                rows.append((kind, nodes[i], nodes[j], str(int(counts[i, j]))))
    # The cells of a table are the ends of its synapses, so none may be without.
    if alone := set(nodes) - {end for row in rows for end in row[1:3]}:
        sys.exit(f"{reader}: cells without a synapse: {', '.join(sorted(alone))}")
    return rows


def cell_table(names: set[str]) -> list[tuple[str, ...]]:
    """One row for each cell: neurons, then muscles, then others."""
    from cect import Cells
    from cect.readers.Wang2024Reader import Wang2024Reader

    with contextlib.redirect_stdout(io.StringIO()):
        tissue = Cells.get_primary_classification()
        transmitters = Wang2024Reader(sex="Hermaphrodite").all_neurotransmitters
    roles = {"Sensory": "sensory", "Interneuron": "inter", "Motorneuron": "motor", "Other": "unknown"}
    names = names | set(Cells.PREFERRED_HERM_NEURON_NAMES)
    rows = []
    for name in names:
        is_neuron = Cells.is_herm_neuron(name)
        partner = Cells.get_contralateral_cell(name)
        rows.append(
            (
                name,
                "neuron" if is_neuron else "muscle" if Cells.is_known_muscle(name) else "other",
                neuron_class(name) if is_neuron else tissue[name],
                roles[Cells.get_SIM_class(name)] if is_neuron else "unknown",
                "1" if Cells.is_pharyngeal_cell(name) or name.startswith("pm4_") else "0",
                partner if partner != name and partner in names else "",
                ";".join(t for t in transmitters.get(name, ()) if t),
            )
        )
    return sorted(rows, key=lambda row: (["neuron", "muscle", "other"].index(row[1]), natural(row[0])))


def neuron_class(name: str) -> str:
    """AVAL -> AVA, VD10 -> VD, SMDVL -> SMD, I1L -> I1; M4, AVM, DVA stay."""
    for known in DORSOVENTRAL:
        if re.fullmatch(rf"{known}[DV]?[LR]?", name):
            return known
    numbered = re.fullmatch(r"(AS|DA|DB|DD|VA|VB|VC|VD)\d+", name)
    if numbered:
        return numbered[1]
    # AVL and PVR have no partner, so their last letter is part of the name.
    return name[:-1] if re.fullmatch(r"\w{2,3}[LR]", name) and name not in ("AVL", "PVR", "AQR", "PQR", "RIR") else name


def natural(name: str) -> tuple[object, ...]:
    """Sorting key: VA2 before VA10."""
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in re.split(r"(\d+)", name))


def fenyves(place: dict[str, int]) -> list[tuple[str, ...]]:
    """(pre, post, first transmitter, count, sign) of every synapse in sheet 5 of the paper's S3 data."""
    import openpyxl
    import wormneuroatlas

    path = Path(wormneuroatlas.__file__).parent / "data/journal.pcbi.1007974.s003.xlsx"
    sheet = openpyxl.load_workbook(path, read_only=True, data_only=True)["5. Sign prediction"]
    rows = []
    for row in sheet.iter_rows(min_row=3, values_only=True):
        if row[0] is None:
            continue
        pre, post = (re.sub(r"([A-Z])0(\d)$", r"\1\2", str(row[i])) for i in (0, 3))
        transmitter = "none" if row[1] in (0, "0", None) else str(row[1])
        rows.append((pre, post, transmitter, str(int(row[4])), str(row[16]).strip()))
    return sorted(rows, key=lambda row: (place[row[1]], place[row[0]]))


def put(path: Path, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Write a table, packed if its name says so, the same bytes every time."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content, 9, mtime=0) if path.suffix == ".gz" else content)


def write_sources(folder: Path, sources: list[tuple[str, ...]]) -> None:
    """Write where each table comes from, on what terms, and its sha256."""
    lines = ["# Written by scripts/build_tables.py. sha256 is that of the file as it lies here.\n"]
    for name, file, paper, doi, counts, origin, licence in sources:
        sha256 = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        lines += [f"\n[{name}]\n", f'file = "{file}"\n', f'paper = "{paper}"\n']
        lines += [f'doi = "{doi}"\n'] * bool(doi)
        lines += [f'counts = "{counts}"\n', f'origin = "{origin}"\n', f'licence = "{licence}"\n']
        lines += [f'cect = "{CECT}"\n', f'sha256 = "{sha256}"\n']
    (folder / "SOURCES.toml").write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else TABLES)
