"""The errors of the running path, on the one tree of `metrics.errors`."""

from metrics.errors import AudioError, BrokenPlugin, DegenerateInput, HarnessError, UsageError, WeightsError

__all__ = [
    "AudioError",
    "BrokenPlugin",
    "CorpusError",
    "DamagedClip",
    "DegenerateInput",
    "HarnessError",
    "ModelError",
    "PlatformError",
    "SamplingError",
    "StoreError",
    "TrackingError",
    "UsageError",
    "WeightsError",
]


class ModelError(HarnessError):
    """A model whose weights are missing or wrong, or that returned something other than the requested clips."""


class SamplingError(HarnessError):
    """Clips that could not be generated; the others are stored."""


class StoreError(HarnessError):
    """A stored clip that is damaged, or a store that cannot be written."""


class DamagedClip(StoreError):
    """A stored clip whose record cannot be read, or whose files are not those that were recorded."""


class TrackingError(HarnessError):
    """MLflow could not be reached or written; what was sampled and measured is not affected."""


class CorpusError(HarnessError):
    """Real music that could not be fetched, or that is not what the manifest says."""


class PlatformError(UsageError):
    """A listening study that a platform for asking listeners cannot carry."""
