"""Run the commands whose output README.md shows, and put what they print in its place: `make readme`.

A block of the README that begins with `$ .venv/bin/harness …` and stands under a comment

    <!-- shown -->                           the whole output
    <!-- shown from="Differences" -->        from the first line that begins so
    <!-- shown to="Clips" -->                up to the first line that begins so, itself left out

is run in an empty folder, in the order of the README: what one command leaves is there for the next. `differences`
lists what a reader would see change, for the test that holds the README against the commands: words, rows, columns and
names have to be the same, a number may differ by the error that is printed beside it.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
WIDTH = 120
SHOWN = re.compile(
    r'<!-- shown(?: from="(?P<first>[^"]+)")?(?: to="(?P<last>[^"]+)")? -->\n```\w+\n(?P<block>.*?)\n```\n', re.S
)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """A block of the README: its commands, what it shows of the output of the last, and where that stands."""

    commands: tuple[str, ...]
    output: str
    span: tuple[int, int]
    first: str | None
    last: str | None

    def cut(self, printed: str) -> str:
        """The part of an output that the block shows."""
        lines = [line.rstrip() for line in printed.splitlines()]
        starts = [n for n, line in enumerate(lines) if self.first and line.startswith(self.first)] or [0]
        ends = [n for n, line in enumerate(lines) if self.last and line.startswith(self.last)] or [len(lines)]
        return "\n".join(lines[starts[0] : ends[0]]).strip("\n")


def blocks(text: str) -> list[Block]:
    """The blocks of the README that are run, in order."""
    found = []
    for match in SHOWN.finditer(text):
        lines = match["block"].split("\n")
        commands = [line[2:] for line in lines if line.startswith("$ ")]
        last = max(n for n, line in enumerate(lines) if line.startswith("$ "))
        start = match.start("block") + sum(len(line) + 1 for line in lines[: last + 1])
        found.append(
            Block(
                tuple(commands),
                "\n".join(lines[last + 1 :]),
                (start, match.end("block")),
                match["first"],
                match["last"],
            )
        )
    return found


def run(command: str, folder: Path, results: Path) -> str:
    """What a command prints, progress left out. Raises `SystemExit` with its output where it fails."""
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HARNESS_RESULTS": str(results),
        "COLUMNS": str(WIDTH),
        "NO_COLOR": "1",
    }  # fmt: skip
    command = command.replace(".venv/bin/harness", "harness")  # the folder is another, and PATH has it
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"README: `{command}` ended with exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def renewed(text: str, folder: Path) -> str:
    """The README with every shown output as the commands print it now."""
    found = blocks(text)
    outputs = []
    for block in found:
        printed = [run(command, folder, folder / "results") for command in block.commands]
        outputs.append(block.cut(printed[-1]))
    for block, output in reversed(list(zip(found, outputs, strict=True))):
        text = f"{text[: block.span[0]]}{output}{text[block.span[1] :]}"
    return text


def differences(shown: str, printed: str) -> list[str]:
    """What a reader would call different: a line for each."""
    ours, theirs = shown.splitlines(), printed.splitlines()
    if len(ours) != len(theirs):
        return [f"{len(ours)} lines are shown and {len(theirs)} printed"]
    wrong, allowed = [], 0.0
    for line, other in zip(ours, theirs, strict=True):
        if _words(line) != _words(other):
            wrong.append(f"shown:   {line}\nprinted: {other}")
            continue
        errors = [float(error) for error in re.findall(r"± *(\d+(?:\.\d+)?)", line)]
        allowed = max(errors) if errors else allowed  # an interval stands under its value
        numbers = [[float(number) for number in NUMBER.findall(text)] for text in (line, other)]
        if any(abs(a - b) > 2 * allowed for a, b in zip(*numbers, strict=True) if a != b):
            wrong.append(f"shown:   {line}\nprinted: {other}")
    return wrong


def _words(line: str) -> str:
    return re.sub(r"\s+", " ", NUMBER.sub("#", re.sub(r"[─━┏┓┗┛┃│┡┩╇┳┴┻└┘├┤┼ ]+", " ", line)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="Change nothing; say what differs.")
    check = parser.parse_args().check
    text = README.read_text("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        new = renewed(text, Path(folder))
    if check:
        wrong = [
            line
            for old, now in zip(blocks(text), blocks(new), strict=True)
            for line in differences(old.output, now.output)
        ]
        raise SystemExit("\n".join(wrong) if wrong else 0)
    README.write_text(new, "utf-8")


if __name__ == "__main__":
    main()
