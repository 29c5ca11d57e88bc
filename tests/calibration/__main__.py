"""`python -m tests.calibration`: run the cells that are missing, then write the table and the figures again.

With `--confirm` those at the thresholds of the rules are run on other random numbers, into a file of their own.
"""

import argparse
from pathlib import Path

from tests.calibration import intervals
from tests.calibration.cells import CELLS, CONFIRMED, REPETITIONS, run
from tests.calibration.report import write

FOLDER = Path(__file__).parents[2] / "results" / "calibration"

parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__)
parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="in every cell; the figures need 2000")
parser.add_argument("--only", default="", help="run only cells whose name has this in it")
parser.add_argument("--folder", type=Path, default=FOLDER)
parser.add_argument("--confirm", action="store_true", help="run the cells at the thresholds on fresh samples instead")
arguments = parser.parse_args()
cells, file, seed = (CONFIRMED, "confirmation.json", 1) if arguments.confirm else (CELLS, "fad.json", 0)
chosen = [cell for cell in cells if arguments.only in cell.name]
run(chosen, arguments.folder / file, arguments.repetitions, seed)
if not arguments.confirm:
    chosen = [cell for cell in intervals.CELLS if arguments.only in cell.name]
    intervals.run(chosen, arguments.folder / "intervals.json", arguments.repetitions)
write(arguments.folder)
