"""Embedders out of the `transformers` library: CLAP, EnCodec, and any audio model by its id and layer.

    load_embedder("clap")                                       laion/clap-htsat-unfused
    load_embedder("clap:laion/larger_clap_music")
    load_embedder("encodec:facebook/encodec_24khz")
    load_embedder("hf:facebook/wav2vec2-base@6")                the sixth layer's output
    load_embedder("hf:/models/mine", window_seconds=2.0)        a folder; the last layer

The library is an extra, `pip install 'music-harness[transformers]'`; the models are the user's own files (see
`metrics.embeddings.pretrained`). One vector per window in each case: an embedder that pools over time says so in its
provenance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metrics.embeddings.base import Frames
from metrics.embeddings.pretrained import fingerprint, import_transformers, load_extractor, load_model, model_folder
from metrics.embeddings.windows import WindowEmbedder, pad_to, positive, resolve_device, samples
from metrics.errors import UsageError


class _Pretrained(WindowEmbedder):
    """What the three share: a folder, a model in it, windows, a device. A subclass names its classes of the library."""

    model_class = "AutoModel"
    extractor_class = "AutoFeatureExtractor"

    def __init__(self, model: str, window_seconds: float, hop_seconds: float | None, device: str | None) -> None:
        self.model = model
        self.window_seconds = positive("window", window_seconds)
        self.hop_seconds = self.window_seconds if hop_seconds is None else positive("hop", hop_seconds)
        self._device = resolve_device(device)
        self.batch = 4 if self._device.type == "cpu" else 32
        library = import_transformers()
        self._folder = model_folder(model)
        self._fingerprint = fingerprint(self._folder)
        self._model = load_model(getattr(library, self.model_class), self._folder, self._device)
        self._extractor = load_extractor(getattr(library, self.extractor_class), self._folder)
        self.rate = int(self._extractor.sampling_rate)
        self.window_seconds = samples(self.window_seconds, self.rate) / self.rate
        self.hop_seconds = max(1, samples(self.hop_seconds, self.rate)) / self.rate

    def provenance(self) -> dict[str, Any]:
        """Everything that changes the numbers, to be compared and kept with them."""
        # A folder counts by its name: where it lies changes nothing.
        name = self._folder.name if str(self._folder) == self.model else self.model
        return {
            "name": self.name, "model": name, "architecture": type(self._model).__name__, **self._fingerprint,
            "dim": self.dim, "rate": self.rate, "window_seconds": self.window_seconds, "hop_seconds": self.hop_seconds,
        }  # fmt: skip

    def _extract(self, windows: NDArray[np.float32]) -> dict[str, Any]:
        """The model's inputs by name, on its device."""
        extracted = self._extractor(list(windows), sampling_rate=self.rate, return_tensors="pt")
        return {name: value.to(self._device) for name, value in extracted.items()}


class Clap(_Pretrained):
    """CLAP: audio and texts in one space of unit vectors. Wu et al., ICASSP 2023.

    `model` is an id or a folder. A window is at most the model's 10 s; what is shorter, a window as well as a clip, is
    repeated to fill them, as in its training. The hop is the window unless it is given. `embed_text` puts texts into
    the same space.
    """

    name = "clap"
    model_class = "ClapModel"
    extractor_class = "ClapFeatureExtractor"

    def __init__(
        self,
        model: str = "laion/clap-htsat-unfused",
        window_seconds: float = 10.0,
        hop_seconds: float | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(model, window_seconds, hop_seconds, device)
        longest = self._extractor.nb_max_samples / self.rate
        if self.window_seconds > longest:
            raise UsageError(
                f"a window of {self.window_seconds:g} s was requested: {model} takes {longest:g} s at most, and picks "
                "them at random from longer audio."
            )
        self.dim = int(self._model.config.projection_dim)

    def provenance(self) -> dict[str, Any]:
        return super().provenance() | {"front_end": "ClapFeatureExtractor, short windows repeated, no fusion"}

    def fill(self, audio: NDArray[np.float32], length: int) -> NDArray[np.float32]:
        """As often as it fits, then zeros: as the extractor fills a short window."""
        return pad_to(np.tile(audio, length // audio.size), length)

    def embed_windows(self, windows: NDArray[np.float32]) -> Frames:
        """float32 (n, samples of a window) → float32 (n, dim), of length 1."""
        import torch

        with torch.inference_mode():
            inputs = self._extract(windows)
            # Models with fusion are handed one window of each batch, drawn at random, as "longer": none is.
            inputs["is_longer"] = torch.zeros(len(windows), 1, dtype=torch.bool, device=self._device)
            inputs["input_features"] = inputs["input_features"].float()
            return self._model.get_audio_features(**inputs).pooler_output.float().cpu().numpy()

    def embed_text(self, texts: Sequence[str]) -> Frames:
        """Texts → float32 (n, dim), of length 1: their dot products with the frames are CLAP's similarities."""
        import torch

        if not texts:
            raise UsageError("no texts were given: at least one was expected.")
        tokenizer = import_transformers().AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        tokens = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            return self._model.get_text_features(**tokens).pooler_output.float().cpu().numpy()


class EnCodec(_Pretrained):
    """EnCodec's encoder before its quantiser (128-d), averaged over each window of 1 s. Défossez et al., 2022.

    fadtk takes its 75 frames a second one by one; averaged over a second they are as many as other embedders' frames,
    and independent enough to be counted. A model of two channels hears the same in both.
    """

    name = "encodec"
    model_class = "EncodecModel"
    extractor_class = "EncodecFeatureExtractor"

    def __init__(
        self,
        model: str = "facebook/encodec_24khz",
        window_seconds: float = 1.0,
        hop_seconds: float | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__(model, window_seconds, hop_seconds, device)
        self.dim = int(self._model.config.hidden_size)

    def provenance(self) -> dict[str, Any]:
        return super().provenance() | {"layer": "encoder, before quantisation", "pooling": "mean over the window"}

    def embed_windows(self, windows: NDArray[np.float32]) -> Frames:
        """float32 (n, samples of a window) → float32 (n, dim)."""
        import torch

        config = self._model.config
        with torch.inference_mode():
            audio = torch.as_tensor(windows, dtype=torch.float32, device=self._device)[:, None]
            if config.normalize:
                audio = audio / (audio.square().mean(dim=2, keepdim=True).sqrt() + 1e-8)
            latents = self._model.encoder(audio.expand(-1, config.audio_channels, -1))  # (n, dim, time)
            return latents.mean(dim=2).float().cpu().numpy()


class HuggingFace(_Pretrained):
    """Any audio model of the library: the output of one layer, averaged over each window.

    `model` is `<id or folder>` or `<id or folder>@<layer>`: layer 0 is what goes into the first block, n the output of
    the nth, and without one it is the model's last output. `window_seconds` (5 s unless given) and the hop (the window
    unless given) are the caller's to choose: these models fix none. Of models with a decoder the encoder is used.
    """

    name = "hf"

    def __init__(
        self,
        model: str,
        window_seconds: float = 5.0,
        hop_seconds: float | None = None,
        device: str | None = None,
    ) -> None:
        ident, at, layer = model.rpartition("@")
        if at and not layer.isdigit():
            raise UsageError(f"{model!r} names the layer {layer!r}: a number was expected, as in hf:<id>@6.")
        super().__init__(ident if at else model, window_seconds, hop_seconds, device)
        if self._model.config.is_encoder_decoder:
            self._model = self._model.get_encoder()
        self.layer = int(layer) if at else None
        self.dim = self.embed_windows(np.zeros((1, samples(self.window_seconds, self.rate)), np.float32)).shape[1]

    def provenance(self) -> dict[str, Any]:
        layer = "last" if self.layer is None else self.layer
        return super().provenance() | {"layer": layer, "pooling": "mean over the window"}

    def embed_windows(self, windows: NDArray[np.float32]) -> Frames:
        """float32 (n, samples of a window) → float32 (n, dim)."""
        import torch

        with torch.inference_mode():
            try:
                output = self._model(**self._extract(windows), output_hidden_states=self.layer is not None)
            except (TypeError, ValueError) as error:  # a model that wants text, or codes, besides
                raise self._no_encoder() from error
            return self._layer_of(output).mean(dim=1).float().cpu().numpy()

    def _layer_of(self, output: Any) -> Any:
        hidden = getattr(output, "last_hidden_state", None)
        if self.layer is not None:
            layers = getattr(output, "hidden_states", None) or ()
            if self.layer >= len(layers) > 0:
                raise UsageError(f"{self.model} has the layers 0 to {len(layers) - 1}: {self.layer} was requested.")
            hidden = layers[self.layer] if layers else None
        if hidden is None or hidden.ndim != 3:
            raise self._no_encoder()
        return hidden

    def _no_encoder(self) -> UsageError:
        return UsageError(
            f"{type(self._model).__name__} ({self.model}) does not turn audio into (windows, time, dimensions): "
            "an audio encoder was expected. For CLAP and EnCodec there are embedders of their own."
        )
