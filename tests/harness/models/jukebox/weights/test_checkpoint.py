"""One class for the embedded model and the released ones: names, labels, types, hashes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib

import pytest
import torch

from harness.core.errors import ModelError, UsageError
from harness.models.jukebox.weights.checkpoint import MINI, ModelFolder
from harness.models.jukebox.weights.pull import ReleaseSource, pull
from tests.harness.models.jukebox.weights.released.conftest import CONFIG, IDS, make_folder, releases

__all__ = ["releases"]  # a fixture

V2 = CONFIG.replace('labels_version = "v3"', 'labels_version = "v2"').replace("max_genres = 1", "max_genres = 5")


@pytest.fixture
def v2(tmp_path):
    """A model whose top prior knows v2 labels, with its lists."""
    return with_lists(make_folder(tmp_path / "v2", V2))


@pytest.fixture
def v3(tmp_path):
    return with_lists(make_folder(tmp_path / "v3"))


def with_lists(folder):
    (folder.path / "ids").mkdir()
    for name, text in IDS.items():
        (folder.path / "ids" / name).write_text(text)
    return folder


def test_styles_are_the_genres_of_the_top_prior_s_labels(v2, v3):
    assert dict(v2.cards) == {"folk": ("folk",), "rock": ("rock",), "blues": ("blues",)}
    assert dict(v3.cards) == {"folk rock": ("folk rock",), "blues": ("blues",)}
    assert v2.artists == ("zo_kestrel", "the_paper_lanterns")
    assert v3.artists == ("zoë kestrel", "marrow & pine")


def test_a_v2_style_is_a_bag_of_known_words(v2):
    assert v2.style("Blues Rock") == "blues rock"
    assert v2.style("FOLK") == "folk"
    assert v2.style("R&B") == "r b"
    with pytest.raises(
        UsageError, match=r"unknown style 'Blus Rock', of which 'blus' is not known\. Did you mean 'blues'"
    ):
        v2.style("Blus Rock")
    with pytest.raises(UsageError, match="has 6 words, and jukebox:tiny takes at most 5"):
        v2.style("folk rock blues folk rock blues")


def test_a_v3_style_is_one_name(v3):
    assert v3.style("Folk Rock") == "folk rock"
    with pytest.raises(UsageError, match=r"unknown style 'Blues Rock'\. Did you mean 'blues'.*v3_genre_ids\.txt"):
        v3.style("Blues Rock")


def test_artists_are_found_as_each_version_writes_them(v2, v3):
    assert v2.artist("The Paper Lanterns") == "the_paper_lanterns"
    assert v3.artist("Marrow & Pine") == "marrow & pine"
    with pytest.raises(UsageError, match=r"unknown artist 'Zo Kestral', of which 'zo_kestral' .* mean 'zo_kestrel'"):
        v2.artist("Zo Kestral")


def test_the_embedded_model_s_names_are_its_cards_and_artists():
    mini = ModelFolder(MINI)
    assert mini.style("Metal") == "metal"
    assert mini.artist("PANIQ") == "paniq"
    with pytest.raises(UsageError, match=r"unknown style 'mettal'.*'metal'"):
        mini.style("mettal")
    assert (mini.name, mini.licence, mini.notice) == (None, "CC-BY-SA-4.0", None)


def test_each_level_has_labels_of_its_own_version(v3):
    label = v3.labeller(2).label("Zoë Kestrel", "Folk Rock", "", 2000)
    assert (label.y[3], list(label.y[4:5])) == (1, [1])
    below = v3.labeller(0).label("Zoë Kestrel", "Folk Rock", "", 2000)
    assert (below.y[3], list(below.y[4:6])) == (1, [1, 2])  # "zo_kestrel", then folk and rock
    assert v3.labeller(2).max_seconds == 60.0
    assert v3.labeller(0).max_seconds == float("inf"), "only the top prior has a time signal"


def test_weights_load_in_the_type_asked_for(releases, tmp_path):
    folder = make_folder(tmp_path / "cache")
    pull(folder, ReleaseSource(str(releases[False])))
    single, half = folder.load_prior(1), folder.load_prior(1, torch.float16)
    products = set(half.products())
    assert "prior.x_emb.weight" in products
    assert "prior.transformer._attn_mods.0.mlp.c_fc.w" in products
    assert not any("ln_" in key or "pos_emb" in key for key in products)
    expected = single.state_dict()
    for key, tensor in half.state_dict().items():
        assert tensor.dtype is (torch.float16 if key in products else torch.float32)
        assert torch.equal(tensor, expected[key].to(tensor.dtype))
    assert half.prior.x_out.weight is half.prior.x_emb.weight, "what is tied stays tied"
    assert not any(parameter.requires_grad for parameter in half.parameters())
    assert not half.training


def test_the_hash_follows_weights_shapes_and_label_lists_but_not_terms(releases, tmp_path):
    folder = make_folder(tmp_path / "cache")
    pull(folder, ReleaseSource(str(releases[False])))
    known = folder.sha256

    def after(config=CONFIG, file=None, text=None):
        copy = shutil.copytree(folder.path, tmp_path / "copy")
        if file is not None:
            (copy / file).write_text(text)
        changed = make_folder(copy, config).sha256
        shutil.rmtree(copy)
        return changed

    assert after() == known, "wherever it lies"
    assert after(CONFIG.replace("of a test", "of two tests")) == known
    assert after(CONFIG.replace("0.125", "0.25")) != known
    assert after(file="ids/v2_genre_ids.txt", text="folk;2\n") != known
    pins = (folder.path / "pins.json").read_text()
    assert after(file="pins.json", text=pins.replace('"sha256": "', '"sha256": "0')) != known
    (folder.path / "pins.json").unlink()
    assert after() == known, "files that were never pinned are hashed themselves"


def test_the_hash_of_the_embedded_model_knows_nothing_of_licences():
    """Clips that were made before there were any keep their identity."""
    config = tomllib.loads((MINI / "config.toml").read_text())
    del config["licence"], config["training"]
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for module in ("vqvae", "prior_level_0", "prior_level_1"):
        digest.update((MINI / f"{module}.safetensors").read_bytes())
    assert ModelFolder(MINI).sha256 == digest.hexdigest()


def test_a_configuration_with_an_unknown_name_is_refused(tmp_path):
    folder = make_folder(tmp_path / "cache", CONFIG.replace("emb_width", "emb_widht"))
    with pytest.raises(ModelError, match=r"gives VQVAEConfig \['emb_widht'\]"):
        _ = folder.vqvae
