"""Label vectors against those of the original (tests/golden/labels): exact."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from harness.models.jukebox.conditioning import labels as L
from harness.models.jukebox.conditioning.transliteration import engine
from metrics.errors import HarnessError, UsageError

GOLDEN = Path(__file__).parents[4] / "golden"
CASE = json.loads((GOLDEN / "labels" / "vectors.json").read_text(encoding="utf-8"))
HPARAMS = json.loads((GOLDEN / "labels" / "hparams.json").read_text(encoding="utf-8"))
VECTORS = load_file(GOLDEN / "labels" / "vectors.safetensors")
ROWS = {row["id"]: row for row in CASE["rows"]}


def golden_labeller(name: str) -> L.Labeller:
    h = HPARAMS["labellers"][name]
    version: L.Version = "v3" if h["labels_v3"] else "v2"
    return L.Labeller(
        artists=L.read_ids(GOLDEN / "ids" / f"{version}_artist_ids.txt"),
        genres=L.read_ids(GOLDEN / "ids" / f"{version}_genre_ids.txt"),
        version=version,
        max_genres=h["max_bow_genre_size"],
        n_tokens=h["n_tokens"],
        window_samples=h["sample_length"],
        raw_to_tokens=h["raw_to_tokens"],
    )


@pytest.fixture(scope="module")
def labellers() -> dict[str, L.Labeller]:
    return {name: golden_labeller(name) for name in HPARAMS["labellers"]}


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_vocabulary_is_the_originals(version: L.Version):
    assert HPARAMS["vocabulary_characters"][version] == L.VOCABULARY[version]
    assert len(L.VOCABULARY[version]) + 1 == HPARAMS["n_vocab"][version]


@pytest.mark.parametrize("row_id", ROWS)
def test_golden_row(row_id: str, labellers: dict[str, L.Labeller]):
    row = ROWS[row_id]
    labeller = labellers[row["labeller"]]
    labels = labeller.label(**row["meta"])
    assert L.clean_lyrics(row["meta"]["lyrics"], labeller.version) == row["clean_lyrics"]
    assert labels.record["artist"]["id"] == row["artist_id"]
    assert [g["id"] for g in labels.record["genre"]] == row["genre_ids"]
    np.testing.assert_array_equal(labels.full_tokens, VECTORS[f"{row_id}.full_tokens"])
    np.testing.assert_array_equal(labels.y, VECTORS[f"{row_id}.y"])
    assert labels.y.dtype == np.int64
    assert labels.y.shape == labeller.shape
    windows = np.stack([labeller.window(labels, start) for start in row["window_starts"]])
    np.testing.assert_array_equal(windows, VECTORS[f"{row_id}.window_y"])
    json.dumps(labels.record)


@pytest.mark.parametrize("row_id", [row_id for row_id in ROWS if f"{row_id}.window_lyric_indices" in VECTORS])
def test_golden_window_lyric_indices(row_id: str, labellers: dict[str, L.Labeller]):
    expected = VECTORS[f"{row_id}.window_lyric_indices"]
    labeller = labellers[ROWS[row_id]["labeller"]]
    labels = labeller.label(**ROWS[row_id]["meta"])
    for start, row in zip(ROWS[row_id]["window_starts"], expected, strict=True):
        total, offset, duration = (int(v) for v in labeller.window(labels, start)[:3])
        indices = L.lyric_window(len(labels.full_tokens), labeller.n_tokens, total, offset, duration, np.float32)
        np.testing.assert_array_equal(indices, row)


def test_float32_rows_would_differ_in_float64(labellers: dict[str, L.Labeller]):
    """The golden set can tell the two precisions apart, so that the rows above prove the choice."""
    rows = [row for row in CASE["rows"] if row["kind"].startswith("float32 rounding")]
    assert rows
    for row in rows:
        labeller = labellers[row["labeller"]]
        labels = labeller.label(**row["meta"])
        total, offset, duration = (int(v) for v in labeller.window(labels, row["window_starts"][0])[:3])
        indices = L.lyric_window(len(labels.full_tokens), labeller.n_tokens, total, offset, duration, np.float64)
        assert not np.array_equal(indices, VECTORS[f"{row['id']}.window_lyric_indices"][0])


def test_raw_windows():
    assert CASE["raw_windows"]
    for w in CASE["raw_windows"]:
        indices = L.lyric_window(w["n_full_tokens"], w["n_tokens"], w["total_length"], w["offset"], w["duration"])
        assert indices.tolist() == w["indices"], w


@pytest.mark.parametrize("case", CASE["must_fail"], ids=lambda c: c["why"])
def test_must_fail(case: dict, labellers: dict[str, L.Labeller]):
    with pytest.raises(UsageError):
        labellers[case["labeller"]].label(**case["meta"])


@pytest.mark.parametrize("case", CASE["tolerated"], ids=lambda c: c["why"])
def test_tolerated(case: dict, labellers: dict[str, L.Labeller]):
    assert labellers[case["labeller"]].label(**case["meta"]).y.tolist() == case["y"]


def released_1b() -> L.Labeller:
    return L.Labeller({}, {}, "v3", 1, 384, 786_432, 128, min_seconds=17.84, max_seconds=600.0)


def test_a_length_in_seconds_is_told_from_samples():
    with pytest.raises(UsageError) as error:
        released_1b().label("", "", "", total_length=240)
    message = str(error.value)
    assert "expected [17.84, 600) seconds" in message
    assert "0.00544218 s (240 samples)" in message
    assert "pass 10,584,000 samples" in message


@pytest.mark.parametrize(("seconds", "fits"), [(17.83, False), (17.84, True), (599.99, True), (600.0, False)])
def test_range_of_song_lengths_is_half_open(seconds: float, fits: bool):
    length = round(seconds * 44_100)
    if fits:
        assert released_1b().label("", "", "", total_length=length).y[0] == length
    else:
        with pytest.raises(UsageError, match=r"expected \[17\.84, 600\) seconds"):
            released_1b().label("", "", "", total_length=length)


def test_negative_offset_is_refused():
    with pytest.raises(UsageError, match="offset of -1 s"):
        released_1b().label("", "", "", total_length=2_646_000, offset=-44_100)


def test_message_about_genre_words_names_them(labellers: dict[str, L.Labeller]):
    with pytest.raises(UsageError, match=r"6 words \(folk, rock, jazz, blues, deep, space\).*at most 5"):
        labellers["v2_small"].label("", "folk rock jazz blues deep space", "", 20480)


def test_making_a_window_leaves_the_labels_alone(labellers: dict[str, L.Labeller]):
    labeller = labellers["v2_small"]
    labels = labeller.label("Zo Kestrel", "folk", "copper moon, silver tide, wake me", 20480)
    before = labels.y.copy()
    labeller.window(labels, 24)
    np.testing.assert_array_equal(labels.y, before)


def test_record_says_what_was_unknown_and_how_lyrics_were_spelt(labellers: dict[str, L.Labeller]):
    record = labellers["v3_small"].label("Nobody", "Tango", "科研", 44_100).record
    assert record["artist"] == {"name": "nobody", "id": 0, "known": False}
    assert record["genre"] == [{"name": "tango", "id": 13, "known": True}]
    assert record["lyrics"] == "Ke Yan "
    assert record["transliteration"] == engine()
    assert record["total_seconds"] == 1.0


def test_id_table_starts_after_unknown():
    table = L.id_table(["Ambient", "Metal"])
    assert table == {"unknown": 0, "ambient": 1, "metal": 2}
    labeller = L.Labeller(L.id_table(["A. N. Author"]), table, "v3", 1, 0, 1024, 64, rate=16_000)
    assert labeller.label("A. N. AUTHOR", "METAL", "", 16_000).y.tolist() == [16_000, 0, 1024, 1, 2]


def test_id_table_refuses_names_that_collide():
    with pytest.raises(HarnessError, match="ambient"):
        L.id_table(["Ambient", "AMBIENT"])


def test_read_ids_names_the_bad_line(tmp_path: Path):
    (tmp_path / "ids.txt").write_text("unknown;0\nno number\n")
    with pytest.raises(HarnessError, match="line 2"):
        L.read_ids(tmp_path / "ids.txt")
    with pytest.raises(HarnessError, match="cannot be read"):
        L.read_ids(tmp_path / "missing.txt")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_becomes_valid_tokens(text: str):
    for version in ("v2", "v3"):
        tokens = L.tokenise(L.clean_lyrics(text, version), version)
        assert ((tokens >= 1) & (tokens <= len(L.VOCABULARY[version]))).all()


@given(st.integers(0, 400), st.integers(0, 60), st.integers(1, 10**7), st.floats(0, 1), st.integers(0, 10**6))
def test_a_lyric_window_is_a_run_inside_the_lyrics(n_full: int, n_tokens: int, total: int, where: float, duration: int):
    for precision in (np.float32, np.float64):
        indices = L.lyric_window(n_full, n_tokens, total, int(where * (total - 1)), duration, precision)
        assert indices.shape == (n_tokens,)
        real = indices[indices >= 0]
        assert len(real) == min(n_full, n_tokens)
        assert (np.diff(real) == 1).all()
        assert (real < max(n_full, 1)).all()
        assert (indices[: n_tokens - len(real)] == -1).all()
