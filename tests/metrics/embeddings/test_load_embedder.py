import pytest

from metrics.embeddings import load_embedder
from metrics.errors import UsageError


def test_what_follows_a_colon_is_the_embedders_first_argument():
    assert load_embedder("musicnn:max_pool").dim == 753
    with pytest.raises(UsageError, match=r"no layer 'max:pool'"):
        load_embedder("musicnn:max:pool")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean 'vggish'"):
        load_embedder("vgish")
    with pytest.raises(UsageError, match="unknown embedder 'ff'"):
        load_embedder("ff:facebook/wav2vec2-base")


def test_options_that_an_embedder_does_not_have_are_refused():
    with pytest.raises(UsageError, match="'toy' cannot be made"):
        load_embedder("toy:1")
    with pytest.raises(UsageError, match="'depth'"):
        load_embedder("musicnn", depth=3)
