"""Small models of random weights, saved and loaded as any other, against the library called directly."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import soundfile
import torch

from metrics.embeddings import load_embedder, pretrained, stream
from metrics.embeddings.transformers import Clap, EnCodec, HuggingFace
from metrics.errors import UsageError, WeightsError
from metrics.io.audio import Preprocessing

pytestmark = pytest.mark.whole

transformers = pytest.importorskip("transformers", reason="pip install 'music-harness[transformers]'")

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a CLAP, one with fusion, two EnCodecs, a wav2vec2, a HuBERT and a Whisper."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, fusion in (("clap", False), ("clap-fusion", True)):
        text = dict(vocab_size=40, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
        audio = dict(
            patch_embeds_hidden_size=8, hidden_size=16, depths=[1, 1], num_attention_heads=[1, 2], window_size=4,
            spec_size=64, num_mel_bins=16, enable_fusion=fusion, fusion_type="aff_2d" if fusion else None,
        )  # fmt: skip
        config = transformers.ClapConfig(text_config=text, audio_config=audio, projection_dim=8)
        transformers.ClapModel(config).save_pretrained(folder / name)
        cut = "fusion" if fusion else "rand_trunc"
        transformers.ClapFeatureExtractor(feature_size=16, max_length_s=2, truncation=cut).save_pretrained(
            folder / name
        )
        vocabulary = {word: n for n, word in enumerate(WORDS)}
        transformers.RobertaTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder / name)
    for name, channels in (("encodec", 1), ("encodec-stereo", 2)):
        config = transformers.EncodecConfig(
            num_filters=4, hidden_size=8, num_lstm_layers=1, codebook_size=16, audio_channels=channels,
            normalize=channels == 2, sampling_rate=24000, target_bandwidths=[1.5],
        )  # fmt: skip
        transformers.EncodecModel(config).save_pretrained(folder / name)
        transformers.EncodecFeatureExtractor(feature_size=channels).save_pretrained(folder / name)
    small = dict(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, conv_dim=(8, 8),
        conv_stride=(20, 16), conv_kernel=(40, 32), num_feat_extract_layers=2, num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    for name, config in (
        ("wav2vec2", transformers.Wav2Vec2Config(**small)), ("hubert", transformers.HubertConfig(**small)),
    ):  # fmt: skip
        transformers.AutoModel.from_config(config).save_pretrained(folder / name)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder / name)
    whisper = transformers.WhisperConfig(
        vocab_size=20, num_mel_bins=8, encoder_layers=1, decoder_layers=1, d_model=16, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_source_positions=100, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
    )  # fmt: skip
    transformers.WhisperModel(whisper).save_pretrained(folder / "whisper")
    transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=2).save_pretrained(folder / "whisper")
    return folder


def noise(seconds, rate, seed=0):
    return np.asarray(0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate)), dtype=np.float32)


def direct(kind, folder):
    return getattr(transformers, kind).from_pretrained(folder, local_files_only=True).eval()


def test_clap_is_the_librarys(models):
    embedder = Clap(str(models / "clap"), window_seconds=2.0, hop_seconds=1.0, device="cpu")
    audio = noise(4.5, 48000)
    frames = embedder.embed(audio)
    model, extractor = direct("ClapModel", models / "clap"), direct_extractor("ClapFeatureExtractor", models / "clap")
    for n in range(3):
        window = audio[n * 48000 : (n + 2) * 48000]
        with torch.inference_mode():
            expected = model.get_audio_features(**extractor(window, sampling_rate=48000, return_tensors="pt"))
        assert np.abs(frames[n] - expected.pooler_output[0].numpy()).max() < 1e-5
    assert frames.shape == (3, 8)
    assert np.allclose(np.linalg.norm(frames, axis=1), 1)


def direct_extractor(kind, folder):
    return getattr(transformers, kind).from_pretrained(folder, local_files_only=True)


def test_claps_texts_are_in_the_same_space(models):
    embedder = Clap(str(models / "clap"), window_seconds=2.0, device="cpu")
    vectors = embedder.embed_text(["a calm piano", "drums"])
    model = direct("ClapModel", models / "clap")
    tokens = direct_extractor("AutoTokenizer", models / "clap")(["drums"], return_tensors="pt")
    with torch.inference_mode():
        expected = model.get_text_features(**tokens).pooler_output[0].numpy()
    assert vectors.shape == (2, embedder.dim)
    assert np.abs(vectors[1] - expected).max() < 1e-5
    with pytest.raises(UsageError, match="no texts"):
        embedder.embed_text([])


def test_a_clip_shorter_than_claps_window_is_repeated_as_the_library_does(models, tmp_path):
    audio = noise(0.45, 48000)
    embedder = Clap(str(models / "clap"), window_seconds=2.0, device="cpu")
    model, extractor = direct("ClapModel", models / "clap"), direct_extractor("ClapFeatureExtractor", models / "clap")
    with torch.inference_mode():
        expected = model.get_audio_features(**extractor(audio, sampling_rate=48000, return_tensors="pt")).pooler_output
    [frame] = embedder.embed(audio)
    assert np.abs(frame - expected[0].numpy()).max() < 1e-5
    soundfile.write(tmp_path / "short.wav", audio, 48000, subtype="FLOAT")
    [(_, streamed)] = stream.embed_files([tmp_path / "short.wav"], embedder, Preprocessing(rate=48000, lufs=None))
    assert np.abs(streamed[0] - frame).max() < 1e-5


def test_clap_with_fusion_draws_nothing_at_random(models):
    embedder = Clap(str(models / "clap-fusion"), window_seconds=2.0, device="cpu")
    first = embedder.embed(noise(8, 48000))
    assert len(first) == 4
    assert all(np.array_equal(embedder.embed(noise(8, 48000)), first) for _ in range(3))


def test_clap_refuses_a_window_that_it_would_cut_at_random(models):
    with pytest.raises(UsageError, match="2 s at most"):
        Clap(str(models / "clap"), window_seconds=3.0)


@pytest.mark.parametrize("name", ["encodec", "encodec-stereo"])
def test_encodec_is_the_mean_of_the_librarys_latents(models, name):
    embedder = EnCodec(str(models / name), device="cpu")
    audio = noise(2.5, 24000)
    frames = embedder.embed(audio)
    assert frames.shape == (2, 8)
    model = direct("EncodecModel", models / name)
    window = torch.from_numpy(audio[:24000]).expand(1, model.config.audio_channels, -1)
    if model.config.normalize:  # as EncodecModel._encode_frame has it
        window = window / (window.mean(1, keepdim=True).pow(2).mean(2, keepdim=True).sqrt() + 1e-8)
    with torch.inference_mode():
        expected = model.encoder(window).mean(2)[0].numpy()
    assert np.abs(frames[0] - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["wav2vec2", "hubert"])
@pytest.mark.parametrize("layer", [None, 0, 1, 2])
def test_a_layer_of_any_audio_model_is_the_librarys(models, name, layer):
    at = "" if layer is None else f"@{layer}"
    embedder = load_embedder(f"hf:{models / name}{at}", window_seconds=1.0, hop_seconds=0.5, device="cpu")
    audio = noise(2, 16000)
    frames = embedder.embed(audio)
    assert frames.shape == (3, 16)
    model, extractor = direct("AutoModel", models / name), direct_extractor("AutoFeatureExtractor", models / name)
    with torch.inference_mode():
        inputs = extractor(audio[8000:24000], sampling_rate=16000, return_tensors="pt")
        output = model(**inputs, output_hidden_states=True)
    hidden = output.last_hidden_state if layer is None else output.hidden_states[layer]
    assert np.abs(frames[1] - hidden.mean(1)[0].numpy()).max() < 1e-5


def test_of_a_model_with_a_decoder_the_encoder_is_used(models):
    embedder = HuggingFace(str(models / "whisper"), window_seconds=2.0, device="cpu")
    frames = embedder.embed(noise(4, 16000))
    model, extractor = (
        direct("WhisperModel", models / "whisper"),
        direct_extractor("AutoFeatureExtractor", models / "whisper"),
    )
    with torch.inference_mode():
        inputs = extractor(noise(4, 16000)[:32000], sampling_rate=16000, return_tensors="pt")
        expected = model.get_encoder()(inputs.input_features).last_hidden_state.mean(1)[0].numpy()
    assert np.abs(frames[0] - expected).max() < 1e-5


@pytest.mark.parametrize(("name", "rate"), [("clap", 48000), ("encodec", 24000), ("wav2vec2", 16000)])
def test_short_and_silent_audio_is_one_finite_frame(models, name, rate):
    kind = {"clap": "clap", "encodec": "encodec"}.get(name, "hf")
    embedder = load_embedder(f"{kind}:{models / name}", window_seconds=1.0, device="cpu")
    for audio in (noise(0.3, rate), np.zeros(rate, np.float32)):
        frames = embedder.embed(audio)
        assert frames.shape == (1, embedder.dim)
        assert frames.dtype == np.float32
        assert np.isfinite(frames).all()


def test_files_share_batches(models, tmp_path):
    embedder = EnCodec(str(models / "encodec"), device="cpu")
    for n in range(3):
        soundfile.write(tmp_path / f"{n}.wav", noise(1.5 + n, 24000, n), 24000)
    embedded = list(stream.embed_files(sorted(tmp_path.glob("*.wav")), embedder))
    assert [len(frames) for _, frames in embedded] == [1, 2, 3]


def test_the_provenance_knows_weights_and_settings_and_not_where_they_lie(models, tmp_path):
    made = Clap(str(models / "clap"), window_seconds=2.0).provenance()
    moved = tmp_path / "clap"
    shutil.copytree(models / "clap", moved)
    assert Clap(str(moved), window_seconds=2.0).provenance() == made
    settings = json.loads((moved / "preprocessor_config.json").read_text())
    (moved / "preprocessor_config.json").write_text(json.dumps(settings | {"frequency_max": 8000}))
    changed = Clap(str(moved), window_seconds=2.0).provenance()
    assert {key for key in made if made[key] != changed[key]} == {"settings_sha256"}


def test_weights_in_several_files_have_one_hash(models, tmp_path):
    model = direct("AutoModel", models / "hubert")
    model.save_pretrained(tmp_path / "parts", max_shard_size="8KB")
    shutil.copy(models / "hubert" / "preprocessor_config.json", tmp_path / "parts")
    assert len(pretrained.weight_files(tmp_path / "parts")) > 1
    whole, parts = (HuggingFace(str(folder / name)) for folder, name in ((models, "hubert"), (tmp_path, "parts")))
    assert np.array_equal(whole.embed(noise(5, 16000)), parts.embed(noise(5, 16000)))
    assert len(parts.provenance()["weights_sha256"]) == 64


def test_an_id_is_found_in_the_users_cache(models, tmp_path, monkeypatch):
    revision = "0" * 40
    repo = tmp_path / "models--me--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(revision)
    shutil.copytree(models / "hubert", repo / "snapshots" / revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    embedder = load_embedder("hf:me/tiny@1", device="cpu")
    assert (embedder.provenance()["model"], embedder.provenance()["layer"]) == ("me/tiny", 1)


@pytest.mark.parametrize("name", ["clap", "encodec", "hf:facebook/wav2vec2-base@6"])
def test_without_the_files_the_message_names_the_id_and_the_command(tmp_path, monkeypatch, name):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        WeightsError,
        match=r"config\.json and .*https://huggingface\.co/\S+, under the licence.*hf download (laion|facebook)/[\w-]+",
    ):
        load_embedder(name)


def test_without_the_library_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(WeightsError, match=r"pip install 'music-harness\[transformers\]'"):
        load_embedder("clap")


def test_another_models_weights_are_refused(models, tmp_path):
    with pytest.raises(WeightsError, match=r"(?s)ClapModel"):
        Clap(str(models / "hubert"), window_seconds=2.0)
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(models / "hubert", broken)
    tensors = load_file(broken / "model.safetensors")
    tensors.pop("encoder.layers.1.final_layer_norm.weight")
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"final_layer_norm\.weight\. They would be random"):
        HuggingFace(str(broken))
    (broken / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="could not be loaded"):
        HuggingFace(str(broken))
    (broken / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"config\.json and model"):
        HuggingFace(str(broken))


class Runs:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_a_pickle_that_would_run_code_is_refused(models, tmp_path):
    folder = tmp_path / "hubert"
    shutil.copytree(models / "hubert", folder)
    (folder / "model.safetensors").unlink()
    torch.save({"weight": Runs(tmp_path / "mark")}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="could not be loaded"):
        HuggingFace(str(folder))
    assert not (tmp_path / "mark").exists()


def test_a_model_that_brings_its_own_code_is_refused_and_the_code_not_run(models, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(models / "hubert", folder)
    settings = json.loads((folder / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(settings | own))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')")
    with pytest.raises(WeightsError, match="code that a model brings along is not run"):
        HuggingFace(str(folder))
    assert not (tmp_path / "mark").exists()


def test_a_folder_without_an_extractor_is_refused(models, tmp_path):
    shutil.copytree(models / "hubert", tmp_path / "hubert")
    (tmp_path / "hubert" / "preprocessor_config.json").unlink()
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json"):
        HuggingFace(str(tmp_path / "hubert"))


def test_what_makes_no_sense_is_refused(models):
    hubert = str(models / "hubert")
    for model, options, message in [
        (f"{hubert}@7", {}, "0 to 2: 7"), (f"{hubert}@six", {}, "a number"), (hubert, {"hop_seconds": 0}, "positive"),
        (str(models / "clap"), {}, "embedders of their own"),
    ]:  # fmt: skip
        with pytest.raises(UsageError, match=message):
            HuggingFace(model, **options)
