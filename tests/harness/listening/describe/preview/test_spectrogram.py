"""Pictures of sounds: a tone is where its frequency is, as bright as it is loud."""

import io

import numpy as np
import pytest
from PIL import Image

from harness.listening.describe.preview.spectrogram import HEIGHT, LOWEST_HZ, WIDTH, as_png, spectrogram

RATE = 16_000


def tone(hz: float, level: float = 0.1, seconds: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("hz", [500.0, 1000.0, 4000.0, 7500.0])
def test_a_tone_is_at_its_frequency(hz):
    rows = spectrogram(tone(hz), RATE).mean(axis=1)
    band = HEIGHT * np.log(hz / LOWEST_HZ) / np.log(RATE / 2 / LOWEST_HZ)
    assert abs((HEIGHT - 1 - rows.argmax()) - band) <= 1


def test_ten_decibels_are_equally_far_everywhere_and_silence_is_black():
    brightest = [int(spectrogram(tone(1000, 10 ** (db / 20)), RATE).max()) for db in (-70, -60, -50)]
    assert brightest[2] - brightest[1] == pytest.approx(brightest[1] - brightest[0], abs=1)
    assert spectrogram(np.zeros(RATE, np.float32), RATE).max() == 0


def test_time_goes_to_the_right():
    half = np.concatenate([np.zeros(RATE, np.float32), tone(1000)])
    columns = spectrogram(half, RATE).max(axis=0)
    assert columns[: WIDTH // 3].max() == 0
    assert columns[2 * WIDTH // 3 :].min() > 100


@pytest.mark.parametrize("samples", [1, 2047, 2048, 2049])
def test_a_short_sound_has_a_picture_too(samples):
    assert spectrogram(np.ones(samples, np.float32), RATE).shape == (HEIGHT, WIDTH)


def test_the_png_is_what_was_drawn_and_small():
    levels = spectrogram(tone(1000), RATE)
    image = Image.open(io.BytesIO(as_png(levels)))
    assert (image.size, image.mode) == ((WIDTH, HEIGHT), "P")
    np.testing.assert_array_equal(np.asarray(image), levels)
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
    assert len(as_png(noise)) < 20_000
