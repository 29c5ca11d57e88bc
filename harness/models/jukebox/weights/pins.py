"""What was fetched once is recognised for ever: sizes and SHA-256 hashes in a `pins.json` beside the files.

Nobody publishes the hashes of the released models. The first pull that arrives whole and fits the model's shapes pins
what it got; every later pull and `harness models verify` compare with that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.errors import ModelError
from metrics.io.files import write_bytes
from metrics.io.weights import file_sha256


@dataclass(frozen=True)
class Pin:
    """Checksum and size of a file."""

    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> Pin:
        """Of the file at `path`."""
        return cls(file_sha256(path), path.stat().st_size)


@dataclass(frozen=True)
class Pins:
    """The pins of one folder, by the names of its files."""

    folder: Path

    @property
    def path(self) -> Path:
        """The file that holds them."""
        return self.folder / "pins.json"

    def read(self) -> dict[str, Pin]:
        """All pins by file name; empty where none are stored."""
        try:
            return {name: Pin(**pin) for name, pin in json.loads(self.path.read_text("utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self.path} cannot be read ({error}): it holds the hashes of what was fetched. Restore it, or delete "
                "it to accept the files as they are."
            ) from error

    def get(self, name: str) -> Pin | None:
        """The pin of a file, None for one that was never pinned."""
        return self.read().get(name)

    def add(self, found: dict[str, Pin]) -> None:
        """Store the pins of these files."""
        pinned = {name: asdict(pin) for name, pin in sorted((self.read() | found).items())}
        write_bytes(self.path, json.dumps(pinned, indent=1).encode())

    def check(self, name: str, found: Pin, source: str) -> None:
        """Raises `ModelError` when `found` is not what is pinned under `name`, or is pinned under another name: two
        modules of one shape would load as each other."""
        pins = self.read()
        pinned = pins.get(name)
        if pinned is not None and pinned != found:
            raise ModelError(
                f"{source} is not the {name} that was fetched before: SHA-256 {found.sha256} ({found.bytes:,} bytes), "
                f"expected {pinned.sha256} ({pinned.bytes:,} bytes). It was not used. Fetch it from where the first "
                f"one came from; or, if you trust this one, delete the entry {name!r} from {self.path} and pull again."
            )
        twins = [other for other, pin in pins.items() if pin.sha256 == found.sha256 and other != name]
        if twins:
            raise ModelError(
                f"{source} has the bytes of {twins[0]} (SHA-256 {found.sha256}): {name} was expected, which is another "
                "file. One of the two has the wrong name: correct that and pull again."
            )
