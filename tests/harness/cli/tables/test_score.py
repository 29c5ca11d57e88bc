"""What `harness score` says above its table."""

from harness.cli.tables.score import headline

SETTINGS = {
    "reference": "heldout",
    "embedder": {"name": "toy"},
    "preprocessing": {"lufs": -23.0, "rate": 16000},
}


def test_the_headline_names_every_embedder():
    assert headline(SETTINGS) == "against heldout as embedded by toy: whole files at 16000 Hz and -23 LUFS"
    further = [{"embedder": "musicnn", "reference": "heldout"}, {"embedder": "clap"}]
    assert "as embedded by toy, and by musicnn, clap: whole files" in headline({**SETTINGS, "further": further})
