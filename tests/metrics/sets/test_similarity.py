import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.similarity import (
    centroid_similarities,
    centroid_similarity,
    chroma_match,
    chroma_similarity,
    prompt_similarities,
    prompt_similarity,
    split_prompt,
)
from metrics.waves.clips import AudioSet
from tests.metrics import synthetic
from tests.metrics.compare.conditions import p_of

AXES = {"folk": [1.0, 0, 0], "jazz": [0, 1.0, 0], "rock": [0, 0, 1.0]}


def styled(pull, seed=0, per_style=4, offset=10.0):
    """Clips of three frames about a common offset, each pulled towards the axis of its style."""
    rng = np.random.default_rng(seed)
    styles = np.repeat(sorted(AXES), per_style)
    frames = (
        offset + pull * np.array([AXES[style] for style in styles])[:, None] + rng.normal(0, 0.3, (len(styles), 3, 3))
    )
    units = np.repeat(np.arange(len(styles)), 3)
    return EmbeddingSet(frames.reshape(-1, 3), units, {}, np.repeat(styles, 3))


REFERENCE = styled(3.0, seed=1, per_style=20)


@pytest.mark.parametrize(("pull", "expected"), [(3.0, 1.0), (0.0, 0.0), (-3.0, -1 / 3**0.5)])
def test_likeness_to_a_style_is_seen_from_the_centre_of_all_styles(pull, expected):
    """From the centre a style lies at (2, −1, −1) and the clips at (2, −1, −1), (−1, −1, −1) and (−4, −1, −1)."""
    score = centroid_similarity(styled(pull), REFERENCE)
    assert score.value == pytest.approx(expected, abs=0.1)
    assert score.direction == "higher"


def test_without_a_centre_every_clip_would_be_alike():
    """The reason for the centre: about an offset, raw cosines saturate."""
    folk = styled(3.0).select(np.asarray(styled(3.0).strata) == "folk")
    jazz = styled(3.0).select(np.asarray(styled(3.0).strata) == "jazz")
    jazz = EmbeddingSet(jazz.frames, folk.units, {})
    folk = EmbeddingSet(folk.frames, folk.units, {})
    assert prompt_similarity(jazz, folk).value > 0.95
    assert prompt_similarity(jazz, folk, REFERENCE).value < 0


def test_the_value_is_the_mean_over_clips_and_its_error_that_of_a_mean():
    data = EmbeddingSet(styled(1.0).frames, styled(1.0).units)
    prompts = EmbeddingSet(styled(1.0, seed=2).frames, data.units)
    by_song = prompt_similarities(data, prompts, REFERENCE)
    score = prompt_similarity(data, prompts, REFERENCE)
    values = np.array(list(by_song.values()))
    assert score.value == pytest.approx(values.mean())
    assert score.stderr == pytest.approx(values.std(ddof=1) / np.sqrt(12), rel=1e-4)
    assert (score.n_units, score.n_frames) == (12, 36)


def test_a_pulled_condition_is_nearer_in_pairs():
    weak, strong = (styled(pull) for pull in (0.3, 3.0))
    difference = paired_difference("style_similarity", weak, strong, REFERENCE)
    before, after = (centroid_similarities(data, REFERENCE) for data in (weak, strong))
    assert difference.value == pytest.approx(np.mean([after[unit] - before[unit] for unit in before]))
    assert difference.value > 0
    assert p_of(difference) < 0.05


def test_a_prompt_is_cut_off_its_continuation():
    audio = np.arange(100, dtype=np.float32)
    prompt, continuation = split_prompt(audio, 10, 3.0)
    assert (prompt.size, continuation[0]) == (30, 30)
    for seconds in (0.0, 10.0):
        with pytest.raises(UsageError, match="less than the clip"):
            split_prompt(audio, 10, seconds)


def test_what_has_no_counterpart_is_refused():
    data = styled(1.0)
    with pytest.raises(UsageError, match="strata"):
        centroid_similarity(EmbeddingSet(data.frames, data.units), REFERENCE)
    with pytest.raises(DegenerateInput, match="no music of style 'rock': it has folk, jazz"):
        centroid_similarity(data, REFERENCE.select(np.asarray(REFERENCE.strata) != "rock"))
    with pytest.raises(UsageError, match="same units"):
        prompt_similarity(data, data.select(data.units > 3))
    with pytest.raises(DegenerateInput, match="at least 3"):
        prompt_similarity(data.select(data.units < 2), data.select(data.units < 2))


def harmonies(transposed=0):
    """Four clips, each of one chord and its fifth, moved up by so many semitones."""
    audio = [synthetic.chords([(48 + root, 52 + root, 55 + root)] * 2, transposed=transposed) for root in (0, 2, 5, 9)]
    return AudioSet(audio, synthetic.RATE, list("abcd"))


def test_the_same_harmony_is_found_and_another_is_not():
    score = chroma_similarity(harmonies(), harmonies())
    assert score.value == pytest.approx(1.0)
    assert score.provenance["unrelated"] < 0.5
    assert (score.n_units, score.direction) == (4, "higher")


@pytest.mark.parametrize(("moved", "back"), [(3, -3), (-4, 4), (6, 6)])
def test_a_transposed_harmony_is_the_same_after_moving_it_back(moved, back):
    assert chroma_similarity(harmonies(), harmonies(moved)).value < 0.7
    assert chroma_similarity(harmonies(), harmonies(moved), transpose=True).value > 0.9
    profile = np.array([9, 1, 3, 1, 5, 2, 1, 7, 1, 3, 1, 3])
    match = chroma_match(profile, np.roll(profile, moved))
    assert (match.transposed, match.semitones) == (pytest.approx(1.0), back)
    assert match.cosine < match.transposed


@given(st.lists(st.floats(0, 10), min_size=24, max_size=24))
def test_the_best_of_twelve_is_no_worse_than_the_first(values):
    first, second = np.reshape(values, (2, 12))
    if min(first.std(), second.std()) < 1e-6:
        return
    match = chroma_match(first, second)
    assert -1.000001 <= match.cosine <= match.transposed <= 1.000001


def test_clips_without_pitch_or_pair_are_refused():
    clips = harmonies()
    silent = AudioSet([np.zeros(synthetic.RATE, np.float32)] * 4, synthetic.RATE, list("abcd"))
    with pytest.raises(DegenerateInput, match="point nowhere"):
        chroma_similarity(clips, silent)
    with pytest.raises(UsageError, match="same units"):
        chroma_similarity(clips, AudioSet(clips.clips, synthetic.RATE, list("abce")))
    with pytest.raises(UsageError, match="12 pitch classes"):
        chroma_match([1, 2], [3, 4])
