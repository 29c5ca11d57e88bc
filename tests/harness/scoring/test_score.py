"""Any metric of the catalogue for any set of clips: what it needs comes from the clips, or the reason is listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import metrics as library
from harness.core.errors import UsageError
from harness.core.progress import Quiet
from harness.prompts.prompt import Prompt
from harness.scoring.cache import ContentCache
from harness.scoring.clips import ClipFile, ClipSet, unit_id
from harness.scoring.measures import Measures
from harness.scoring.score import (
    DEFAULTS,
    ConditionScores,
    check_measurable,
    check_prompts,
    choose,
    default_metrics,
    score,
    score_rows,
)
from metrics.api.catalogue import available
from metrics.embeddings import load_embedder
from metrics.embeddings.base import embed_clip
from metrics.errors import WeightsError
from metrics.io.weights import file_sha256
from metrics.reference.sets import build_reference
from tests.harness.sounds import RATE, tone

STYLES = ("high", "low")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(autouse=True)
def _own_cache(folder, monkeypatch):
    monkeypatch.setattr("harness.scoring.score.user_cache", lambda: ContentCache(folder / "cache"))


@pytest.fixture(scope="module")
def measures(folder) -> Measures:
    """Forty tones to measure against, of two styles."""
    units = [(tone(100 + n, 2.0, pitch=1.0 + n % 2), RATE, f"song {n}", STYLES[n % 2]) for n in range(40)]
    path = folder / "real.safetensors"
    build_reference(units, load_embedder("toy")).save(path)
    return Measures.load("toy", str(path))


@pytest.fixture(scope="module")
def clips(folder) -> ClipSet:
    """Twelve clips of four prompts: of a style each, half of them asked for in words, four that continue a sound."""
    found = []
    for n in range(12):
        path = folder / f"{n}.wav"
        soundfile.write(path, tone(n, 2.0, pitch=1.0 + n % 2), RATE)
        prompt = n % 4
        text = ("a high tone", "", "a low tone, soft", "")[prompt]
        continued = 0.5 if prompt == 1 else 0.0
        found.append(
            ClipFile(
                unit_id(f"prompt {prompt}", n // 4), path, file_sha256(path), f"prompt {prompt}", text, STYLES[n % 2],
                n // 4, n, continued,
            )
        )  # fmt: skip
    return ClipSet("made", tuple(found), paired=True)


def frames(clip: ClipFile) -> np.ndarray:
    audio, rate = soundfile.read(clip.path, dtype="float32")
    return embed_clip(load_embedder("toy"), audio[round(clip.prompt_seconds * rate) :], rate)


@pytest.fixture(scope="module")
def everything(clips, measures, folder) -> ConditionScores:
    return score(clips, available(), measures, ContentCache(folder / "cache"))


def test_scores_are_those_of_the_library_on_the_frames_of_the_clips(clips, measures, everything):
    evaluated = library.EmbeddingSet.from_clips(
        [frames(clip) for clip in clips.clips],
        [clip.unit for clip in clips.clips],
        measures.first.recipe.provenance(),
        [clip.style for clip in clips.clips],
    )
    music = measures.first.reference
    assert music is not None
    expected = {
        "fad16": library.fad(evaluated, music, 16),
        "kad": library.kad(evaluated, music),
        "vendi": library.vendi(evaluated, music),
        "style_similarity": library.centroid_similarity(evaluated, music),
        "neighbour_percentile": library.neighbour_percentile(evaluated, music),
        "recall": library.prdc(evaluated, music)["recall"],
    }
    for name, wanted in expected.items():
        found = everything.scores[name]
        assert (found.value, found.stderr, found.interval) == (wanted.value, wanted.stderr, wanted.interval), name
        assert found.replicates == wanted.replicates


def test_every_metric_has_a_value_or_a_reason(everything):
    assert set(everything.scores) | set(everything.unmeasured) == set(available())
    assert not set(everything.scores) & set(everything.unmeasured)
    assert all(everything.unmeasured.values())
    # What these clips do not allow, and nothing else: no CLAP, no model, no counterparts, too short for a beat.
    assert set(everything.unmeasured) <= {
        "fad_per_song", "text_audio_similarity", "text_audio_margin", "audio_to_text_recall_at_1",
        "audio_to_text_recall_at_5", "text_to_audio_recall_at_1", "text_to_audio_recall_at_5", "kld_softmax_mean",
        "kld_sigmoid_mean", "tempo", "tempo_confidence", "tonal_stability", "self_difference", "repetition",
        "nats_per_token", "bits_per_token", "bits_per_second", "tag_text_similarity", "copied_share",
    }  # fmt: skip


def test_metrics_are_of_the_clips_that_have_what_they_take(clips, everything):
    """Three of the twelve continue a sound, and these alone are compared with it; nobody's seconds of it count."""
    assert everything.scores["prompt_similarity"].n_units == 3
    assert everything.scores["chroma_similarity"].n_units == 3
    assert {unit for unit, values in everything.values.items() if "prompt_similarity" in values} == {
        clip.unit for clip in clips.clips if clip.prompt_seconds
    }
    assert everything.scores["within_prompt_diversity"].provenance["prompts"] == 4
    # Two texts: nothing could be said of their order, and the reason says so.
    assert "prompts were given" in everything.unmeasured["tag_text_similarity"]


def test_styles_are_heard_as_the_nearest_centre(clips, measures, everything):
    music = measures.first.reference
    assert music is not None
    ids, means = music.means()
    strata = np.asarray(music.unit_strata())
    centre = np.mean([means[strata == style].mean(axis=0) for style in STYLES], axis=0)
    centres = {style: (means - centre)[strata == style].mean(axis=0) for style in STYLES}
    for clip in clips.clips:
        own = frames(clip).mean(axis=0) - centre
        cosines = {style: own @ it / np.linalg.norm(own) / np.linalg.norm(it) for style, it in centres.items()}
        assert everything.values[clip.unit]["label_accuracy"] == max(cosines, key=lambda style: cosines[style])
    heard = [everything.values[clip.unit]["label_accuracy"] == clip.style for clip in clips.clips]
    assert everything.scores["label_accuracy"].value == np.mean(heard)
    assert len(ids) == 40


def test_a_score_says_what_it_was_measured_against(everything, measures):
    made = everything.scores["kad"].provenance
    assert made["reference_name"] == "real"
    assert made["reference_hash"] == measures.first.reference_hash
    assert made["embedder"]["name"] == "toy"


def test_clips_of_no_record_have_the_metrics_of_sets_and_reasons_for_the_rest(clips, measures):
    bare = [ClipFile(str(n), clip.path, clip.sha256) for n, clip in enumerate(clips.clips)]
    found = score(ClipSet("bare", tuple(bare)), [*DEFAULTS, "prompt_effect", "prompt_similarity"], measures)
    assert set(found.scores) == {"fad16", "kad", "vendi", "diversity"}
    assert "no style is known" in found.unmeasured["style_similarity"]
    assert "which prompt each clip answers to" in found.unmeasured["prompt_effect"]
    assert "no clip continues" in found.unmeasured["prompt_similarity"]


def test_a_file_that_cannot_be_read_takes_no_other_with_it(clips, measures, tmp_path):
    (tmp_path / "broken.wav").write_text("not a sound")
    broken = ClipFile("broken", tmp_path / "broken.wav", "0" * 64, style="high")
    found = score(replace(clips, clips=(*clips.clips, broken)), ["vendi", "loudness"], measures)
    assert {name: one.n_units for name, one in found.scores.items()} == {"vendi": 12, "loudness": 12}
    assert "cannot be decoded" in found.material.unread()["broken"]
    nothing = score(ClipSet("none", (broken,)), ["vendi", "loudness"], measures)
    assert (nothing.scores, set(nothing.unmeasured)) == ({}, {"vendi", "loudness"})


def test_the_default_set_grows_with_what_the_prompts_allow(clips):
    plain = replace(clips, clips=tuple(clip for clip in clips.clips if not clip.text and not clip.prompt_seconds))
    assert default_metrics([plain]) == DEFAULTS
    assert default_metrics([clips]) == (*DEFAULTS, "prompt_similarity", "tag_text_similarity")
    texts = ClipSet("texts", tuple(replace(clip, prompt_seconds=0.0) for clip in clips.clips))
    assert default_metrics([plain, texts]) == (*DEFAULTS, "tag_text_similarity")


def test_a_further_embedder_has_scores_of_its_own_against_its_own_reference(clips, measures):
    without = replace(measures.first, name="other", reference=None, lacking="none was made")
    both = replace(measures, spaces=(measures.first, without))
    found = score(clips, ["kad", "vendi", "loudness"], both)
    assert list(found.scores) == ["kad", "vendi", "vendi@other", "loudness"]
    assert found.unmeasured == {"kad@other": "none was made"}
    assert found.order == ("kad", "kad@other", "vendi", "vendi@other", "loudness")
    # Without a reference cosines are seen from the origin.
    assert found.scores["vendi@other"].value != found.scores["vendi"].value
    assert list(score(clips, ["vendi@other"], both).scores) == ["vendi@other"]


def test_names_are_checked_before_anything_is_measured(measures):
    with pytest.raises(UsageError, match="Did you mean 'vendi'"):
        choose(["vendy"], measures)
    with pytest.raises(UsageError, match="give --embedder clap"):
        choose(["kad@clap"], measures)
    assert choose(["kad", "vendi", "kad"], measures) == ("kad", "vendi")
    lacking = replace(measures, spaces=(replace(measures.first, reference=None, lacking="none fits"),))
    with pytest.raises(UsageError, match="none fits"):
        check_measurable("kad", (), lacking)
    check_measurable("vendi", (), lacking)
    check_measurable("loudness", ("kad",), lacking)


def test_a_deciding_metric_without_its_weights_is_refused_before_anything_is_sampled(measures, monkeypatch):
    def lacking():
        raise WeightsError("no weights of CLAP")

    monkeypatch.setattr("harness.scoring.calls.joint_space", lacking)
    with pytest.raises(UsageError, match="'text_audio_similarity' cannot be measured: no weights of CLAP"):
        check_measurable("text_audio_similarity", (), measures)
    check_measurable("vendi", ("text_audio_similarity",), measures)


def test_rows_are_the_same_scores_of_a_part_of_the_clips(clips, measures):
    whole = score(clips, ["vendi", "loudness"], measures)
    parts = {one.name: one for one in score_rows(whole, "style")}
    assert set(parts) == set(STYLES)
    alone = score(clips.only({c.unit for c in clips.clips if c.style == "low"}), ["vendi", "loudness"], measures)
    assert parts["low"].scores["vendi"].value == alone.scores["vendi"].value
    assert parts["low"].n_clips == 6
    assert len(score_rows(whole, "prompt")) == 4
    with pytest.raises(UsageError, match="have no style"):
        score_rows(
            score(ClipSet("x", (ClipFile("a", Path("a.wav"), "0"),)), ["loudness"], measures, progress=Quiet()), "style"
        )


@pytest.mark.parametrize(
    ("name", "prompts", "model"),
    [
        ("prompt_similarity", [Prompt(text="a waltz")], "toy"),
        ("tag_text_similarity", [Prompt(style="toy-bell")], "toy"),
        ("bits_per_token", [Prompt(text="a waltz")], "toy"),
    ],
)
def test_a_deciding_metric_that_nothing_would_have_a_value_of_is_refused(name, prompts, model):
    with pytest.raises(UsageError, match=name):
        check_prompts(name, prompts, model)


def test_a_deciding_metric_that_some_prompts_give_a_value_is_not():
    check_prompts("tag_text_similarity", [Prompt(style="metal"), Prompt(text="a waltz")], "toy")
    check_prompts("bits_per_token", [Prompt(style="metal")], "jukebox:mini")
    check_prompts("kad", [Prompt(style="metal")], "toy")
