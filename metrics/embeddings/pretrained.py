"""Models of the `transformers` library out of the user's own files: no hub is ever asked.

A model is a folder, or an id whose files lie in the user's Hugging Face cache. Code that a model brings along is not
run, pickled weights are read with torch's `weights_only`, and a checkpoint that leaves a layer at its random start is
refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.errors import WeightsError
from metrics.io.weights import file_sha256

if TYPE_CHECKING:
    import torch

WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
SETTINGS = ("config.json", "preprocessor_config.json", "processor_config.json")
# What some checkpoints leave out, and nothing random stands for: needed in training only, or counted anew.
UNNEEDED = ("masked_spec_embed", "position_ids", "token_type_ids", "relative_position_index")


def import_transformers() -> Any:
    """The library. Raises `WeightsError` where it is not installed."""
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise WeightsError(
            "this embedder is a model of the transformers library, which is not installed: "
            "pip install 'music-harness[transformers]'."
        ) from error
    return transformers


def model_folder(model: str) -> Path:
    """The folder of a model's files: a path, or an id in the user's Hugging Face cache. Nothing is downloaded.

    Raises `WeightsError` that names the id, its files, where their licence stands and the command that fetches them.
    """
    import_transformers()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    path = Path(model).expanduser()
    if not path.is_dir():
        try:
            path = Path(snapshot_download(model, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError) as error:
            raise WeightsError(
                f"{model} is neither a folder nor in your Hugging Face cache. An id's files, config.json and "
                f"{' or '.join(WEIGHTS)}, are on https://huggingface.co/{model}, under the licence named there. "
                f"Fetch them once with 'hf download {model}' (huggingface-cli download in older releases of "
                "huggingface_hub), or name a folder with them. The harness itself never asks a hub."
            ) from error
    if not (path / "config.json").is_file() or not weight_files(path):
        raise WeightsError(
            f"{path} lacks the files of a model: config.json and {' or '.join(WEIGHTS)} were expected. "
            f"Fetch it again with 'hf download {model}'."
        )
    return path


def weight_files(folder: Path) -> list[Path]:
    """The files that the weights are read from, sorted: safetensors where there are any."""
    return next((found for pattern in WEIGHTS if (found := sorted(folder.glob(pattern)))), [])


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights (of the list of hashes where there are several files) and of the settings beside them."""
    hashes = [file_sha256(path) for path in weight_files(folder)]
    settings = hashlib.sha256()
    for name in SETTINGS:
        if (folder / name).is_file():
            settings.update(f"{name}\n".encode() + (folder / name).read_bytes())
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    return {"weights_sha256": whole, "settings_sha256": settings.hexdigest()}


def load_model(kind: Any, folder: Path, device: torch.device) -> Any:
    """The model in float32 for inference. `kind` is a model class of the library.

    Raises `WeightsError` when the folder holds another model, one that brings its own code, or not all of its weights.
    """
    from pickle import UnpicklingError

    import torch
    from safetensors import SafetensorError

    with _quiet():
        try:
            model, report = kind.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, UnpicklingError) as error:
            raise WeightsError(
                f"{folder} could not be loaded as {kind.__name__} ({_first_line(error)}). A model of the transformers "
                "library was expected; code that a model brings along is not run."
            ) from error
    missing = sorted(name for name in report["missing_keys"] if not name.endswith(UNNEEDED))
    mismatched = [str(entry) for entry in report.get("mismatched_keys", ())]
    if missing or mismatched:
        raise WeightsError(
            f"the weights in {folder} are not those of {type(model).__name__}: {len(missing) + len(mismatched)} of its "
            f"tensors are not in them, such as {[*missing, *mismatched][0]}. They would be random numbers."
        )
    return model.eval().requires_grad_(False).to(device)


def load_extractor(kind: Any, folder: Path) -> Any:
    """What turns samples into the model's input. Raises `WeightsError` when the folder has none for audio."""
    try:
        extractor = kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        rate = int(extractor.sampling_rate)
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise WeightsError(
            f"{folder} has no feature extractor for audio ({_first_line(error)}): a preprocessor_config.json with a "
            "sampling_rate was expected."
        ) from error
    assert rate > 0
    return extractor


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bar and its table of missing weights, which is an error here."""
    from transformers.utils import logging

    shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shown:
            logging.enable_progress_bar()
