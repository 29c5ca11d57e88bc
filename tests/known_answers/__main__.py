"""`python -m tests.known_answers`: what the metrics say where the truth is known.

It takes a composed corpus with 22 pieces or more of each style (`harness corpus compose known --hours 5`), about ten
minutes of one core, and writes known-answers.json, .md and .png. What was measured is kept in the corpus's folder
(`.known-answers`), where a run that was stopped takes it up.
"""

import argparse
import json
from pathlib import Path

from harness.core.png import write_png
from metrics.io.files import write_bytes
from tests.known_answers.measure import Pieces, by_piece, copies, sets, transpositions
from tests.known_answers.report import markdown, picture

FOLDER = Path(__file__).parents[2] / "results" / "reference" / "known-answers"

parser = argparse.ArgumentParser(prog="python -m tests.known_answers", description=__doc__)
parser.add_argument("--corpus", default="known", help="a composed corpus")
parser.add_argument("--folder", type=Path, default=FOLDER)
arguments = parser.parse_args()


def say(text: str) -> None:
    print(text, flush=True)


pieces = Pieces(arguments.corpus)
say(f"{len(pieces.all)} pieces of {len(pieces.styles)} styles")
kept = pieces.corpus.folder / ".known-answers"
answers = {"sets": sets(pieces, kept, say), "by_piece": by_piece(pieces, kept, say)}
answers |= {"chroma": transpositions(pieces), "copies": copies(pieces)}
write_bytes(arguments.folder / "known-answers.json", (json.dumps(answers, indent=1) + "\n").encode())
write_bytes(arguments.folder / "known-answers.md", markdown(answers).encode())
write_png(picture(answers), arguments.folder / "known-answers.png")
say(markdown(answers))
