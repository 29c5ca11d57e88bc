"""`python -m tests.calibration`: run the cells that are missing, then write the table and the figures again."""

import argparse
from pathlib import Path

from tests.calibration.cells import CELLS, REPETITIONS, run
from tests.calibration.report import write

FOLDER = Path(__file__).parents[2] / "results" / "calibration"

parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__)
parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="in every cell; the figures need 2000")
parser.add_argument("--only", default="", help="run only cells whose name has this in it")
parser.add_argument("--folder", type=Path, default=FOLDER)
arguments = parser.parse_args()
results = run(
    [cell for cell in CELLS if arguments.only in cell.name], arguments.folder / "fad.json", arguments.repetitions
)
write(results, arguments.folder)
