"""The anchors of MUSHRA: a reference through a low-pass filter of linear phase, its delay compensated.

ITU-R BS.1534-3 wants the 3.5 kHz anchor 25 dB down at 4 kHz and 50 dB at 4.5 kHz with at most 0.1 dB of ripple below;
the mid anchor, 7 kHz, is filtered by the same curve an octave higher.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import UsageError

STOP_DB = 60.0
TRANSITION = 0.2  # of the cut-off: from the pass band to 60 dB down


@lru_cache(8)
def lowpass_taps(cutoff: float, rate: int) -> NDArray[np.float64]:
    """A Kaiser-windowed sinc of odd length, −3 dB at `cutoff` (Hz). Raises `UsageError` where `rate` is too low for it.

    A windowed sinc is −6 dB at its nominal edge, which is shifted until the −3 dB are at `cutoff`.
    """
    from scipy.optimize import brentq
    from scipy.signal import kaiser_beta, kaiserord

    width = TRANSITION * cutoff
    if cutoff + width >= rate / 2:
        raise UsageError(
            f"an anchor of {cutoff:g} Hz needs a rate above {2 * (cutoff + width):g} Hz, and it is {rate} Hz: choose a "
            "higher one with --rate."
        )
    length = kaiserord(STOP_DB, width / (rate / 2))[0] | 1
    times = np.arange(length) - length // 2
    window = np.kaiser(length, float(kaiser_beta(STOP_DB)))

    def taps(edge: float) -> NDArray[np.float64]:
        sinc = window * np.sinc(2 * edge / rate * times)
        return sinc / sinc.sum()

    def over(edge: float) -> float:
        return float(taps(edge) @ np.cos(2 * np.pi * cutoff / rate * times)) - 10 ** (-3 / 20)

    edge: Any = brentq(over, cutoff, cutoff + width / 2, xtol=0.1)
    return taps(edge)


def lowpass(audio: NDArray[np.float32], cutoff: float, rate: int) -> NDArray[np.float32]:
    """`audio` (samples, channels) below `cutoff` Hz: as long as before, no sample later.

    Args:
        audio: (samples, channels), float32.
        cutoff: −3 dB frequency in Hz.
        rate: sampling rate in Hz.

    Raises:
        UsageError: when the rate is too low for the cut-off.
    """
    from scipy.signal import oaconvolve

    taps = lowpass_taps(cutoff, rate)
    return oaconvolve(audio, taps[:, None], mode="full", axes=0)[len(taps) // 2 :][: len(audio)].astype(np.float32)
