import json

import numpy as np
import pytest

from metrics.api.score import EmbeddingSet, Score, check_comparable
from metrics.errors import DegenerateInput, HarnessError, UsageError

PROVENANCE = {"embedder": {"name": "toy", "hop_seconds": 0.5}, "preprocessing": {"lufs": -23.0}}


def make_set(units=("b", "a", "b"), strata=("jazz", "folk", "jazz"), provenance=PROVENANCE):
    frames = np.arange(len(units) * 2, dtype=np.float32).reshape(-1, 2)
    return EmbeddingSet(frames, np.asarray(units), provenance, None if strata is None else np.asarray(strata))


def test_a_score_is_json_and_reads_well():
    score = Score("fad", 12.345, 1.5, (9.0, 15.0), 16, 64, "", "lower", "population", False, "small", 20.0, {"k": 16})
    assert json.loads(json.dumps(score.as_dict()))["interval"] == [9.0, 15.0]
    assert str(score) == "fad 12.35 ± 1.5 (unreliable)"


def test_songs_are_counted_and_averaged_in_the_order_of_their_ids():
    ids, means = make_set().means()
    assert make_set().n_units == 2
    assert ids.tolist() == ["a", "b"]
    assert means.tolist() == [[2.0, 3.0], [2.0, 3.0]]
    assert np.asarray(make_set().unit_strata()).tolist() == ["folk", "jazz"]


def test_from_clips_repeats_song_and_style_for_each_frame():
    made = EmbeddingSet.from_clips([np.zeros((2, 3)), np.ones((1, 3))], [7, 9], PROVENANCE, ["folk", "jazz"])
    assert made.units.tolist() == [7, 7, 9]
    assert np.asarray(made.strata).tolist() == ["folk", "folk", "jazz"]
    with pytest.raises(UsageError, match="at least one"):
        EmbeddingSet.from_clips([], [], PROVENANCE)


def test_select_keeps_frames_songs_and_styles_together():
    kept = make_set().select(make_set().units == "b")
    assert kept.frames.tolist() == [[0, 1], [4, 5]]
    assert np.asarray(kept.strata).tolist() == ["jazz", "jazz"]


def test_concat_joins_and_remembers_the_padded():
    both = make_set(provenance=PROVENANCE | {"padded": ["a"]}).concat(make_set(("c",), ("folk",)))
    assert both.units.tolist() == ["b", "a", "b", "c"]
    assert both.provenance["padded"] == ["a"]


def test_a_set_is_saved_and_loaded_and_the_bytes_are_always_the_same(tmp_path):
    for units, strata in ((("b", "a", "b"), ("jazz", "folk", "jazz")), ((3, 1, 3), None)):
        made = make_set(units, strata)
        made.save(tmp_path / "a.safetensors")
        made.save(tmp_path / "b.safetensors")
        back = EmbeddingSet.load(tmp_path / "a.safetensors")
        assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
        assert np.array_equal(back.frames, made.frames)
        assert back.units.tolist() == made.units.tolist()
        assert back.provenance == made.provenance
        assert (back.strata is None) == (strata is None)


def test_what_is_no_embedding_set_is_not_loaded(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(HarnessError, match="not a saved embedding set"):
        EmbeddingSet.load(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("frames", "units", "strata", "error", "message"),
    [
        (np.zeros(3), [1, 2, 3], None, UsageError, "frames, dimensions"),
        (np.zeros((3, 2)), [1, 2], None, UsageError, "one of each"),
        (np.zeros((2, 2)), [1.5, 2.5], None, UsageError, "integers or strings"),
        (np.full((2, 2), np.nan), [1, 2], None, DegenerateInput, "finite"),
        (np.zeros((2, 2)), [1, 1], ["folk", "jazz"], UsageError, "two strata"),
    ],
)
def test_frames_that_do_not_fit_are_refused(frames, units, strata, error, message):
    with pytest.raises(error, match=message):
        EmbeddingSet(frames, np.asarray(units), {}, strata)


def test_the_message_names_the_part_that_differs():
    check_comparable(PROVENANCE, PROVENANCE | {"made": "elsewhere"})
    other = {"embedder": {"name": "toy", "hop_seconds": 1.0}, "preprocessing": {"lufs": -23.0}}
    with pytest.raises(UsageError, match=r"embedder\.hop_seconds is 0\.5 against 1\.0\. Embed both"):
        check_comparable(PROVENANCE, other)
    with pytest.raises(UsageError, match="preprocessing is"):
        check_comparable(PROVENANCE, {"embedder": PROVENANCE["embedder"]})
