"""Equal requests have equal identities, different ones different, whatever the spelling."""

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import UsageError
from harness.core.identity import canonical_json, clip_identity, clip_seed, digest
from harness.models.base import Sampling
from harness.models.registry import load_model
from harness.prompts.prompt import Prompt

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
contents = st.dictionaries(st.sampled_from(["text", "style", "lyrics"]), st.text(max_size=8), min_size=1)


@given(json_values)
def test_canonical_json_is_a_fixed_point(value):
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(st.text(), scalars, max_size=6))
def test_order_of_keys_does_not_matter(value):
    assert digest(value) == digest(dict(reversed(value.items())))


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_whole_float_is_its_integer(number):
    assert canonical_json(float(number)) == canonical_json(number)
    assert canonical_json([number]) == canonical_json((number,))


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_different_floats_are_written_differently(one, other):
    assert (canonical_json(one) == canonical_json(other)) == (one == other)


@pytest.mark.parametrize("value", [math.nan, math.inf, b"bytes", {1: "key"}, {"a": {"b": object()}}, {3, 4}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(UsageError, match="expected"):
        canonical_json(value)


def test_the_digest_is_that_of_the_text():
    # printf '{"a":[true,"é"],"b":1}' | sha256sum
    assert digest({"b": 1.0, "a": (True, "é")}) == "83a3979059aec8e3857b1c8e232a8a54a415f02a223aeaa3ba97654ebef44020"


@given(st.integers(0, 2**63 - 1), contents, st.integers(0, 10_000))
def test_seeds_fit_a_signed_64_bit_integer_and_depend_on_each_part(seed, content, index):
    value = clip_seed(seed, content, index)
    assert 0 <= value < 2**63
    assert value == clip_seed(seed, dict(content), index)
    assert value != clip_seed(seed, content, index + 1)
    assert value != clip_seed(seed, {**content, "artist": "another"}, index)
    assert value != clip_seed(seed ^ 1, content, index)


def test_seeds_do_not_repeat_over_many_clips():
    seeds = {clip_seed(0, {"style": style}, index) for style in "abcd" for index in range(500)}
    assert len(seeds) == 2000


IDENTITY = {
    "fingerprint": {"name": "toy", "width": 4},
    "prompt": {"style": "a"},
    "sampling": Sampling(),
    "seed": 1,
    "index": 0,
    "seconds": 6.0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"fingerprint": {"name": "toy", "width": 8}},
        {"prompt": {"style": "b"}},
        {"sampling": Sampling(temperature=1.0)},
        {"sampling": Sampling(top_k=1)},
        {"sampling": Sampling(top_p=0.5)},
        {"seed": 2},
        {"index": 1},
        {"seconds": 6.5},
    ],
)
def test_everything_that_changes_the_sound_changes_the_identity(change):
    assert digest(clip_identity(**{**IDENTITY, **change})) != digest(clip_identity(**IDENTITY))


def test_the_identity_survives_a_round_trip_and_another_process():
    identity = clip_identity(**IDENTITY)
    assert digest(json.loads(json.dumps(identity))) == digest(identity)
    code = "import sys, json; from harness.core.identity import digest; print(digest(json.loads(sys.argv[1])))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code, json.dumps(identity)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7"},
    )
    assert elsewhere.stdout.strip() == digest(identity)


SAMPLINGS = (
    Sampling(),
    Sampling(temperature=(0.9, 1.0), top_k=10),
    Sampling(top_p=0.5, window=100, upsampling="parallel:4"),
)
IDS = [  # model, prompt, index, the beginning of the clip's id under each of SAMPLINGS
    ("toy", Prompt(style="toy-bell"), 0, ("d863a96b6e4e3b18", "3100545181bbba9f", "01fcbe46fb661414")),
    ("toy", Prompt(text="calm drone"), 1, ("7ae8f15c5765c688", "c588059c584f98fd", "356606c88bb3bd28")),
    ("jukebox:mini", Prompt(lyrics="la la"), 0, ("294ff42bbc722ba7", "755a629a3edd330c", "a77c16a6cab4cac5")),
    ("jukebox:mini", Prompt(text="calm piano"), 1, ("922f0c78d842f3ac", "9ba0a69b60aa036d", "c1cac64e61fbdcda")),
]


@pytest.mark.parametrize(("name", "prompt", "index", "ids"), IDS)
def test_clip_ids_stay_what_they_are_in_stores_on_disk(name, prompt, index, ids):
    """A store written by an earlier version is read, not sampled again: an id changes only with a clip's sound."""
    fingerprint = load_model(name, **({} if name == "toy" else {"device": "cpu"})).fingerprint()
    found = [clip_identity(fingerprint, prompt.content(), one, 12345, index, 6.0) for one in SAMPLINGS]
    assert [digest(identity)[:16] for identity in found] == list(ids)
