"""The same for metrics that take audio, text, labels or likelihoods: an answer for clips without sound, end or number.

What is not in the tables has a finite value.
"""

from functools import cache

import numpy as np
import pytest

from metrics.api.catalogue import CATALOGUE
from metrics.api.score import Score
from metrics.errors import AudioError, DegenerateInput, UsageError
from metrics.sets.adherence import TextAudioPairs
from metrics.sets.likelihood import Likelihoods
from metrics.waves.clips import AudioSet
from metrics.waves.copies import CopyIndex
from metrics.waves.signal import measure_signal
from metrics.waves.structure import measure_structure
from tests.metrics.synthetic import RATE, random_notes

Expected = float | type[Exception]

SIGNAL = [name for name, row in CATALOGUE.items() if row.group == "signal"]
STRUCTURE = [name for name, row in CATALOGUE.items() if row.group == "structure"]
CHROMA = ["chroma_similarity", "chroma_similarity_transposed"]
AUDIO = [*SIGNAL, *STRUCTURE, *CHROMA, "copied_share"]
TEXT = [name for name, row in CATALOGUE.items() if "text" in row.needs]
LIKELIHOOD = [name for name, row in CATALOGUE.items() if "likelihood" in row.needs]
MEASURES = {"signal": measure_signal, "structure": measure_structure}


def clips_of(case: str) -> list[np.ndarray]:
    if case == "identical clips":
        return [random_notes(0, 7.0)] * 4
    if case in ("silence", "a constant"):
        return [np.full(7 * RATE, 0.5 if case == "a constant" else 0.0)] * 4
    if case == "one sample":
        return [np.full(1, 0.5)] * 4
    if case == "no sample":
        return [np.zeros(0)] * 4
    clips = [random_notes(seed, 7.0) for seed in range({"one clip": 1, "two clips": 2}.get(case, 4))]
    if case == "NaN in one of four":
        clips[0] = np.where(np.arange(len(clips[0])) == 9, np.nan, clips[0])
    return clips


TOO_FEW: dict[str, Expected] = dict.fromkeys(AUDIO, DegenerateInput)
NOT_AUDIO: dict[str, Expected] = dict.fromkeys(AUDIO, AudioError)
SOUND: dict[str, Expected] = {"non_finite": 0.0, "too_short": 0.0, "copied_share": 0.0}
CASES: dict[str, dict[str, Expected]] = {
    "one clip": TOO_FEW,
    "two clips": TOO_FEW,
    "identical clips": SOUND,
    "silence": SOUND
    | dict.fromkeys(("loudness", "true_peak", "rolloff", *STRUCTURE, *CHROMA), DegenerateInput)
    | {"clipping": 0.0, "silence": 1.0, "dc_offset": 0.0, "onset_density": 0.0},
    "a constant": SOUND | {"clipping": 1.0, "silence": 0.0, "dc_offset": 0.5, "tempo": DegenerateInput},
    "one sample": dict.fromkeys(("loudness", "rolloff", *STRUCTURE), DegenerateInput) | SOUND | {"too_short": 1.0},
    "no sample": NOT_AUDIO,
    # A clip that is not finite has no other figure: it is left out of their means, which are then unreliable.
    "NaN in one of four": dict.fromkeys((*STRUCTURE, *CHROMA, "copied_share"), AudioError) | {"non_finite": 0.25},
}


@cache
def audio_set(case: str) -> AudioSet:
    clips = clips_of(case)
    return AudioSet(clips, RATE, list(range(len(clips))))


@cache
def measured(case: str, group: str) -> list:
    return audio_set(case).measure(MEASURES[group])


@cache
def index() -> CopyIndex:
    return CopyIndex([("other", random_notes(99, 10.0), RATE)])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", AUDIO)
def test_every_metric_of_audio_has_an_answer(name, case):
    row = CATALOGUE[name]

    def found() -> Score:
        clips = audio_set(case)
        if row.group in MEASURES:
            return row.load()(clips, measured(case, row.group), **row.options)
        return row.load()(clips, index() if "known audio" in row.needs else clips, **row.options)

    check(found, CASES[case].get(name))


def test_what_has_no_value_for_some_clips_is_not_reliable():
    loudness = CATALOGUE["loudness"].load()(audio_set("NaN in one of four"))
    assert (loudness.reliable, loudness.n_frames) == (False, 3)
    assert "1 of 4 clips have no value" in loudness.note


PROMPTS, EACH, DIMENSIONS = 7, 2, 5

TEXT_CASES: dict[str, Expected | None] = {
    "varied": None,
    "more dimensions than clips": None,
    "one vector for all clips": None,
    "one vector for all texts": None,
    "one prompt": DegenerateInput,
    "two prompts": DegenerateInput,
    "zeros": DegenerateInput,
    "NaN": DegenerateInput,
}


def pairs(case: str) -> TextAudioPairs:
    rng = np.random.default_rng(0)
    prompts = {"one prompt": 1, "two prompts": 2}.get(case, PROMPTS)
    dimensions = 40 if case == "more dimensions than clips" else DIMENSIONS
    audio = rng.standard_normal((EACH * prompts, dimensions))
    text = np.repeat(rng.standard_normal((prompts, dimensions)), EACH, axis=0)
    if case == "one vector for all clips":
        audio[:] = audio[0]
    if case == "one vector for all texts":
        text[:] = text[0]
    if case in ("zeros", "NaN"):
        audio[0] = 0 if case == "zeros" else np.nan
    return TextAudioPairs(audio, text, np.repeat(np.arange(prompts), EACH))


@pytest.mark.parametrize("case", TEXT_CASES)
@pytest.mark.parametrize("name", TEXT)
def test_every_metric_of_text_has_an_answer(name, case):
    row = CATALOGUE[name]
    nothing_to_tell = name == "text_audio_margin" and case == "one vector for all texts"
    few = case == "two prompts" and "recall_at_5" in name
    expected = 0.0 if nothing_to_tell else UsageError if few else TEXT_CASES[case]
    check(lambda: row.load()(pairs(case), **row.options), expected)


LABELS: dict[str, tuple[list[str], list[str], Expected]] = {
    "one clip": (["folk"], ["folk"], DegenerateInput),
    "two clips": (["folk", "jazz"], ["folk", "jazz"], DegenerateInput),
    "none": ([], [], DegenerateInput),
    "one label": (["folk"] * 5, ["folk"] * 5, 1.0),
    "never right": (["jazz"] * 5, ["folk"] * 5, 0.0),
}


@pytest.mark.parametrize("case", LABELS)
def test_the_accuracy_of_labels_has_an_answer(case):
    heard, asked, expected = LABELS[case]
    check(lambda: CATALOGUE["label_accuracy"].load()(heard, asked), expected)


LIKELIHOODS: dict[str, tuple[list[float], list[float], list[float], Expected | None]] = {
    "one clip": ([8.0], [4.0], [2.0], DegenerateInput),
    "two clips": ([8.0] * 2, [4.0] * 2, [2.0] * 2, DegenerateInput),
    "no clip": ([], [], [], DegenerateInput),
    "identical clips": ([8.0] * 4, [4.0] * 4, [2.0] * 4, None),
    "all certain": ([0.0] * 4, [4.0] * 4, [2.0] * 4, 0.0),
    "NaN": ([np.nan, 8.0, 8.0], [4.0] * 3, [2.0] * 3, UsageError),
    "impossible": ([np.inf, 8.0, 8.0], [4.0] * 3, [2.0] * 3, UsageError),
    "a clip without codes": ([8.0] * 3, [0.0, 4.0, 4.0], [2.0] * 3, UsageError),
    "a clip without length": ([8.0] * 3, [4.0] * 3, [0.0, 2.0, 2.0], UsageError),
}


@pytest.mark.parametrize("case", LIKELIHOODS)
@pytest.mark.parametrize("name", LIKELIHOOD)
def test_every_metric_of_likelihood_has_an_answer(name, case):
    nats, codes, seconds, expected = LIKELIHOODS[case]
    check(lambda: CATALOGUE[name].load()(Likelihoods(nats, codes, seconds, range(len(nats)))), expected)


def check(measure, expected: Expected | None) -> None:
    if isinstance(expected, type):
        with pytest.raises(expected):
            measure()
        return
    score = measure()
    assert np.isfinite([score.value, score.stderr, *(score.interval or ())]).all()
    assert score.stderr >= 0
    if expected is not None:
        assert score.value == pytest.approx(expected, abs=1e-6)


def test_every_metric_is_in_a_table():
    from tests.metrics.test_degenerate import TAKEN

    assert set(CATALOGUE) == {*TAKEN, *AUDIO, *TEXT, *LIKELIHOOD, "label_accuracy"}
