import numpy as np
import pytest
from scipy.signal import welch

from harness.listening.make.controls import degraded, pink_noise, with_beeps

RATE = 16000


def test_pink_noise_loses_three_decibels_an_octave() -> None:
    noise = pink_noise(20 * RATE, 2, RATE, seed=1)
    frequency, power = welch(noise[:, 0], RATE, nperseg=4096)
    band = (frequency > 60) & (frequency < 6000)
    slope = np.polyfit(np.log2(frequency[band]), 10 * np.log10(power[band]), 1)[0]
    assert slope == pytest.approx(-3.01, abs=0.15)
    np.testing.assert_array_equal(noise[:, 0], noise[:, 1])
    assert np.abs(noise).max() == pytest.approx(1)


def test_noise_is_its_seeds() -> None:
    np.testing.assert_array_equal(pink_noise(999, 1, RATE, 5), pink_noise(999, 1, RATE, 5))
    assert not np.array_equal(pink_noise(999, 1, RATE, 5), pink_noise(999, 1, RATE, 6))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_as_many_beeps_as_asked_for_stand_in_the_middle(count: int, seconds: float) -> None:
    music = (0.05 * np.random.default_rng(0).standard_normal((round(seconds * RATE), 1))).astype(np.float32)
    made = with_beeps(music, count, RATE)
    changed = np.flatnonzero((made != music).any(axis=1))
    middle = (changed[0] + changed[-1]) / 2
    assert abs(middle - len(music) / 2) < 0.01 * RATE
    inside = np.abs(made[changed[0] : changed[-1] + 1, 0])
    loud = np.convolve(inside, np.ones(160) / 160, mode="same") > 0.02
    assert np.count_nonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])) == 1) == count
    np.testing.assert_array_equal(made[: changed[0]], music[: changed[0]])


def test_a_gold_item_has_nothing_above_a_telephone_and_is_clipped() -> None:
    music = (0.1 * np.random.default_rng(0).standard_normal((RATE, 1))).astype(np.float32)
    made = degraded(music, RATE)
    assert made.shape == music.shape
    assert np.mean(np.abs(made) == np.abs(made).max()) > 0.3
