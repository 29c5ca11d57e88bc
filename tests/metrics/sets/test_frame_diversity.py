import numpy as np
import pytest

from metrics.api.score import EmbeddingSet
from metrics.compare.difference import paired_difference
from metrics.errors import DegenerateInput, UsageError
from metrics.sets.diversity import unit_rows, vendi_of_rows
from metrics.sets.frame_diversity import (
    across_prompt_diversity,
    diversity_across_units,
    frame_diversity,
    prompt_effect,
    vendi_frames,
    within_prompt_diversity,
)
from metrics.stats.resampling import jackknife


def clips(n, seed, frames=3, dimensions=5, pull=0.0, prompts=None):
    """n clips of a few frames; `pull` moves those of one prompt together."""
    rng = np.random.default_rng(seed)
    strata = None
    rows = 1 + rng.standard_normal((n, 1, dimensions)) + 0.3 * rng.standard_normal((n, frames, dimensions))
    if prompts is not None:
        of = np.arange(n) % prompts
        rows = rows + pull * np.random.default_rng(0).standard_normal((prompts, 1, dimensions))[of]
        strata = np.repeat(np.char.add("p", of.astype(str)), frames)
    return EmbeddingSet(rows.reshape(-1, dimensions), np.repeat(np.arange(n), frames), {}, strata)


def test_pairs_of_one_song_are_left_out():
    data = clips(7, 1)
    unit = unit_rows(data.frames)
    other = data.units[:, None] != data.units
    assert diversity_across_units(data.frames, data.units) == pytest.approx(1 - (unit @ unit.T)[other].mean())
    assert frame_diversity(data).value == pytest.approx(diversity_across_units(data.frames, data.units))


def test_its_expectation_does_not_depend_on_the_number_of_frames():
    """Frames that are all alike within a song: one frame or nine of it say the same."""
    means = clips(12, 2, frames=1)
    nine = EmbeddingSet(np.repeat(means.frames, 9, axis=0), np.repeat(means.units, 9))
    assert frame_diversity(nine).value == pytest.approx(frame_diversity(means).value, rel=1e-6)


@pytest.mark.parametrize("n", [9, 33])
def test_leaving_songs_out_is_measuring_without_them(n):
    data = clips(n, 3)
    part = jackknife(lambda some: diversity_across_units(some.frames, some.units), data)
    assert frame_diversity(data).stderr == pytest.approx(np.sqrt(part.variance), rel=1e-6)
    part = jackknife(lambda some: vendi_of_rows(some.frames), data)
    assert vendi_frames(data).value == pytest.approx(vendi_of_rows(data.frames))
    assert vendi_frames(data).stderr == pytest.approx(np.sqrt(part.variance), rel=1e-6)


def test_a_reference_gives_the_point_to_look_from():
    reference = clips(30, 4)
    far = EmbeddingSet(clips(10, 5).frames + 50, clips(10, 5).units)
    moved = EmbeddingSet(reference.frames + 50, reference.units)
    for metric in (frame_diversity, vendi_frames):
        assert metric(far, moved).value == pytest.approx(metric(clips(10, 5), reference).value, rel=1e-3)
        assert metric(far, moved).value > 1.5 * metric(far).value


def test_pairs_of_conditions():
    first, second = clips(12, 6), clips(12, 6)
    wider = EmbeddingSet(second.frames - 0.9, second.units)
    difference = paired_difference("frame_diversity", first, wider)
    assert difference.value == pytest.approx(frame_diversity(wider).value - frame_diversity(first).value)
    assert difference.value > 2 * difference.stderr
    assert paired_difference("frame_diversity", first, second).stderr == 0


def test_prompts_that_move_the_clips_have_an_effect():
    free, bound = clips(40, 7, prompts=8), clips(40, 7, pull=3.0, prompts=8)
    assert abs(prompt_effect(free).value) < 3 * prompt_effect(free).stderr
    assert prompt_effect(bound).value > 3 * prompt_effect(bound).stderr
    effect, within, across = (
        metric(bound) for metric in (prompt_effect, within_prompt_diversity, across_prompt_diversity)
    )
    assert effect.value == pytest.approx(across.value - within.value)
    assert (effect.direction, effect.provenance["prompts"]) == ("none", 8)
    difference = paired_difference("prompt_effect", free, bound)
    assert difference.value == pytest.approx(effect.value - prompt_effect(free).value)


def test_within_and_across_are_means_over_prompts_of_means_over_pairs():
    data = clips(9, 8, frames=1, prompts=3)
    unit, of = unit_rows(data.frames), np.arange(9) % 3
    cosine = unit @ unit.T
    block = np.array([[cosine[np.ix_(of == p, of == q)].mean() for q in range(3)] for p in range(3)])
    within = (np.diag(block) * 9 - 3) / 6
    assert within_prompt_diversity(data).value == pytest.approx(1 - within.mean(), rel=1e-6)
    assert across_prompt_diversity(data).value == pytest.approx(1 - block[~np.eye(3, dtype=bool)].mean(), rel=1e-6)


def test_prompts_can_be_given_by_clip():
    data = clips(12, 9, prompts=4)
    plain = EmbeddingSet(data.frames, data.units)
    given = within_prompt_diversity(plain, prompts={song: f"p{song % 4}" for song in range(12)})
    assert given.value == within_prompt_diversity(data).value
    with pytest.raises(UsageError, match="without prompts"):
        within_prompt_diversity(plain)
    with pytest.raises(UsageError, match="11 clips have no prompt, such as 1"):
        within_prompt_diversity(plain, prompts={0: "p"})
    with pytest.raises(DegenerateInput, match="2 prompts were given"):
        within_prompt_diversity(plain, prompts={song: f"p{song % 2}" for song in range(12)})
    with pytest.raises(DegenerateInput, match="'p11' has one clip"):
        within_prompt_diversity(plain, prompts={song: f"p{song if song == 11 else song % 4}" for song in range(12)})
