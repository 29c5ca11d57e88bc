"""Our side of Hugging Face's process: hands it our weights under its names, asks it for codes and for times."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from harness.core.errors import UsageError
from harness.models.base import Sampling
from harness.models.jukebox.network.prior import Prior
from tests.benchmarks.hf_names import hf_config, hf_name
from tests.benchmarks.jukebox_shapes import Window

ROOT = Path(__file__).parents[2]


def hf_state(prior: Prior) -> dict[str, Tensor]:
    """Our weights under the port's names, each a copy of its own (a tied output is stored twice)."""
    state = {hf_name(name): weight.clone().contiguous().cpu() for name, weight in prior.state_dict().items()}
    if len(state) != len(prior.state_dict()):
        raise ValueError("two of our tensors have one name in Hugging Face's port: see hf_names.RULES")
    return state


class HuggingFace:
    """The port with the weights of `prior`, run by `python`. Use it as a context: the process ends with it.

    Raises `UsageError` where that Python is missing or its process ends early.
    """

    def __init__(self, python: Path, prior: Prior, clock: str = "wall") -> None:
        self.clock = clock
        if not python.exists():
            raise UsageError(
                f"{python} is not there: Hugging Face's Jukebox needs an environment of its own. Run "
                "'make bench-sampling', which makes it, or leave HF out with --skip-hf."
            )
        device = str(next(prior.parameters()).device)
        self.process = subprocess.Popen(
            [python, "-m", "tests.benchmarks.hf_jukebox"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "prior.safetensors"
            save_file(hf_state(prior), weights)
            self.versions = self._ask("load", config=hf_config(prior.config), weights=str(weights), device=device)

    def __enter__(self) -> HuggingFace:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise UsageError(f"Hugging Face's process ended at '{do}' (its own message is above).")
        return json.loads(answer)

    def cast(self, dtype: torch.dtype) -> None:
        self._ask("cast", dtype=str(dtype).removeprefix("torch."))

    def codes(self, window: Window, sampling: Sampling) -> Tensor:
        """Codes (B, P + N) of a window; the port draws with numbers of its own."""
        return torch.tensor(self._ask("codes", **_request(window, sampling))["codes"])

    def seconds_per_step(self, window: Window, marks: Sequence[int], threads: int) -> list[float]:
        """Between each mark and the next, counted in drawn tokens: what comes before the first draw is not in it."""
        request = _request(window, Sampling())
        return self._ask("time", threads=threads, marks=list(marks), clock=self.clock, **request)["seconds_per_step"]


def _request(window: Window, sampling: Sampling) -> dict[str, Any]:
    return {
        "labels": window.labels.tolist(),
        "above": None if window.above is None else window.above.tolist(),
        "prompt": window.prompt.tolist(),
        "tokens": window.uniforms.shape[1],
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
    }
