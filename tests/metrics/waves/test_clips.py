import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.errors import DegenerateInput, UsageError
from metrics.stats.scoring import Kind, mean_score
from metrics.waves.clips import AudioSet, ClipValue, clip_value_score


def mean(values, units, strata=None):
    return mean_score(Kind("x", "dB", "higher", needs_calibration=False), values, units, strata=strata)


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20))
def test_one_clip_a_song_gives_the_mean_and_its_textbook_error(values):
    score = mean(values, range(len(values)))
    assert score.value == pytest.approx(np.mean(values), abs=1e-9)
    assert score.stderr == pytest.approx(np.std(values, ddof=1) / len(values) ** 0.5, rel=1e-3, abs=1e-3)
    assert score.covers(score.value)


def test_excerpts_of_one_song_count_once():
    score = mean([0.0, 0.0, 0.0, 1.0, 2.0], ["a", "a", "a", "b", "c"])
    assert (score.value, score.n_units, score.n_frames) == (1.0, 3, 5)


def test_what_strata_share_is_no_error():
    values, strata = [0.0, 1, 0, 1, 10, 11, 10, 11], ["a"] * 4 + ["b"] * 4
    plain, within = (mean(values, range(8), strata=given) for given in (None, strata))
    assert within.value == plain.value
    assert within.stderr < 0.3 * plain.stderr


def test_a_clip_without_a_value_is_left_out_counted_and_makes_the_score_unreliable():
    score = mean([1.0, 2.0, None, 3.0], range(4))
    assert (score.value, score.n_units, score.reliable) == (2.0, 3, False)
    assert "1 of 4 clips have no value" in score.why
    assert mean([1.0] * 19 + [None], range(20)).reliable


def test_constant_values_have_no_error():
    assert mean([0.5] * 4, range(4)).stderr == 0


def test_too_few_and_values_that_are_not_finite_are_refused():
    with pytest.raises(DegenerateInput, match="at least 3"):
        mean([1.0, None, 2.0], range(3))
    with pytest.raises(DegenerateInput, match="no value for any of 3"):
        mean([None] * 3, range(3))
    with pytest.raises(UsageError, match="Give None"):
        mean([1.0, np.nan, 2.0], range(3))


def test_audio_sets_are_checked():
    clip = np.zeros(8)
    with pytest.raises(UsageError, match=r"shape \(2, 8\)"):
        AudioSet([np.zeros((2, 8))], 16000, [0])
    with pytest.raises(UsageError, match="0 Hz"):
        AudioSet([clip], 0, [0])
    with pytest.raises(UsageError, match="1 clips came with 2 units"):
        AudioSet([clip], 16000, [0, 1])
    with pytest.raises(UsageError, match="two strata"):
        AudioSet([clip, clip], 16000, [0, 0], ["a", "b"])


def test_a_figure_is_found_by_name():
    clips = AudioSet(
        [np.full(4, level) for level in (1.0, 2.0, 6.0)], 16000, ["a", "b", "c"], provenance={"of": "test"}
    )
    figures = {"level": ClipValue[float]("V", "none", lambda level: level)}
    levels = clips.measure(lambda audio, rate: float(np.asarray(audio, float).mean()))
    score = clip_value_score("level", figures, clips, levels)
    assert (score.name, score.value, score.unit, score.direction, score.provenance["of"]) == (
        "level", 3.0, "V", "none", "test",
    )  # fmt: skip
    with pytest.raises(UsageError, match="Did you mean 'level'"):
        clip_value_score("levle", figures, clips, levels)
    with pytest.raises(UsageError, match="2 measurements"):
        clip_value_score("level", figures, clips, levels[:2])
