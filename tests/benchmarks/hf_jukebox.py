"""Hugging Face's Jukebox as a process, run by the Python of an environment with transformers 4.57.6, its last home.

One JSON object a line comes in and one goes out. `load` builds a `JukeboxPrior` and reads its weights, every tensor
once; `cast` changes their type; `codes` samples a window; `time` samples one and says how long its steps took. Sampling
is the port's own `sample`, with its cache, untouched; steps are counted at its output layer, which it calls once a
token and not while it takes in the prompt. Its progress bar is off, for it costs time.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any

os.environ |= {"TQDM_DISABLE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}

import torch
import transformers  # type: ignore[import-not-found]
from safetensors.torch import load_file
from transformers.models.deprecated.jukebox.configuration_jukebox import (  # type: ignore[import-not-found]
    JukeboxPriorConfig,
)
from transformers.models.deprecated.jukebox.modeling_jukebox import JukeboxPrior  # type: ignore[import-not-found]

from tests.benchmarks.timing import StepClock


class Worker:
    prior: Any
    device: torch.device

    def load(self, config: dict[str, Any], weights: str, device: str) -> dict[str, Any]:
        self.device = torch.device(device)
        state = load_file(weights)
        prior = JukeboxPrior(JukeboxPriorConfig(**config), level=config["level"])
        prior.load_state_dict(state, strict=True)  # neither a tensor without weights nor weights without a tensor
        self.prior = prior.to(self.device).eval().requires_grad_(False)
        return {"tensors": len(state), "transformers": transformers.__version__, "torch": torch.__version__}

    def cast(self, dtype: str) -> dict[str, Any]:
        self.prior.to(getattr(torch, dtype))
        return {}

    def codes(
        self, labels: list, above: list | None, prompt: list, tokens: int, temperature: float, top_k: int
    ) -> dict[str, Any]:
        """Codes (B, P + tokens) of a window, `above` (B, n_ctx / ratio) under an upsampler."""
        tensor = lambda rows: torch.tensor(rows, dtype=torch.long, device=self.device)  # noqa: E731
        there = tensor(prompt)
        codes = self.prior.sample(
            len(there), there, [tensor(above)] if above else None, tensor(labels), temperature, top_k,
            sample_tokens=there.shape[1] + tokens,
        )  # fmt: skip
        return {"codes": codes.tolist()}

    def time(self, threads: int, marks: list[int], clock: str, **window: Any) -> dict[str, Any]:
        torch.set_num_threads(threads)
        steps = StepClock(marks, torch.cuda.synchronize if self.device.type == "cuda" else lambda: None, clock)
        hook = self.prior.prior.fc_proj_out.register_forward_hook(lambda *_: steps())
        try:
            self.codes(**window)
        finally:
            hook.remove()
        return {"seconds_per_step": steps.seconds_per_step()}


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    warnings.simplefilter("ignore")
    worker = Worker()
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("do"))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
