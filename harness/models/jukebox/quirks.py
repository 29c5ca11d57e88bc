"""Where the original implementation surprises, and what this engine does there.

One list for those who compare the two. Each entry is held by the test of its name, `test_<name>` in
tests/harness/models/jukebox/test_quirks.py. What is copied is copied because codes must come out equal: weights were
trained and songs sampled with it.
"""

from __future__ import annotations

from typing import NamedTuple


class Quirk(NamedTuple):
    """A surprise of the original: what it does, and what this engine does."""

    name: str
    original: str
    here: str


NOT_COPIED: tuple[Quirk, ...] = (
    Quirk(
        "a_short_piece_with_a_prompt_has_the_length_asked_for",
        "a level shorter than its window adds the whole length to a prompt: 10 codes of 32 become 42",
        "the requested length counts the prompt, as it does for longer pieces",
    ),
    Quirk(
        "what_the_caller_passed_is_left_alone",
        "sampling changes the dictionary of settings that it was called with",
        "settings are frozen, and no tensor that was passed is written to",
    ),
    Quirk(
        "top_p_works",
        "truncation by probability mass fails with the torch of today",
        "the result is the smallest set of likeliest codes that reaches the mass, also together with top_k",
    ),
    Quirk(
        "draws_come_from_the_clips_own_numbers",
        "draws come from the global generator, which nothing seeds",
        "each row brings a uniform per code; the global generator is neither read nor moved",
    ),
    Quirk(
        "a_level_goes_on_from_any_code",
        "nothing is saved before a level is whole: an interruption in the hours of the bottom level loses them",
        "a level resumes from existing codes and ends as if never interrupted; one whose lyrics share the "
        "sequence does so from the end of a window (see a_lyric_pick_becomes_code_0)",
    ),
    Quirk(
        "lengths_out_of_range_are_told_in_seconds",
        "a length outside the prior's range fails deep inside an embedding, in samples: Range is [786744, …), got 240",
        "it is refused when labels are made, in seconds and samples, with the number that was probably intended",
    ),
    Quirk(
        "an_unknown_name_is_told",
        "an artist or genre that is not in the tables silently becomes id 0",
        "it becomes id 0, and the record of the clip says that it was unknown",
    ),
)

COPIED: tuple[Quirk, ...] = (
    Quirk(
        "a_lyric_pick_becomes_code_0",
        "where lyrics and music share one vocabulary, a music position may pick a lyric character: inside the window "
        "it is fed back as it is, its stored code is 0, and the next window is primed with that 0",
        "the same",
    ),
    Quirk(
        "prime_layers_read_some_music",
        "the number of blocks is used as their length: layers that should read the lyrics alone also read the first "
        "music positions, up to the next multiple (64 of them in 1b_lyrics)",
        "the same",
    ),
    Quirk(
        "the_previous_row_is_read_without_a_mask",
        "layers of function 3 read all of the row before; in the first row they read zeros, which leaves the bias of "
        "the projection",
        "the same, without reading the zeros",
    ),
    Quirk(
        "windows_round_in_float32",
        "the middle of the lyrics is found in float64 for a song's first label and in float32 for those of its windows",
        "the same: now and then the window of characters differs by one",
    ),
    Quirk(
        "the_time_signal_is_clamped_at_the_end_of_the_song_only",
        "a window past the end of its song has its relative end clamped to 1 and so is squeezed into the rest of the "
        "song; its absolute positions run on; the last position lies one step before the end",
        "the same, in float32",
    ),
    Quirk(
        "the_window_length_of_a_label_is_that_of_a_full_window",
        "the label of a piece shorter than a window still says that the window is full",
        "the same",
    ),
    Quirk(
        "the_last_window_moves_back",
        "the last window is moved back to end with the piece, and adds fewer codes than the others",
        "the same",
    ),
    Quirk(
        "short_lyrics_hide_an_offset_past_the_end",
        "an offset past the end of the song is refused only if its lyrics are long enough to need a position",
        "the same",
    ),
    Quirk(
        "an_empty_genre_is_one_empty_word",
        "an empty genre is looked up as the empty name, which the tables may hold, rather than as no genre",
        "the same",
    ),
    Quirk(
        "the_last_of_two_equal_names_counts",
        "where a table of ids has a name twice the last line counts",
        "the same",
    ),
    Quirk(
        "upsamplers_read_v2_labels_under_a_v3_prior",
        "1b_lyrics has a table of artists and genres of its own; its upsamplers read those of 5b",
        "the same: each level has its own labeller, and one request is looked up in both",
    ),
    Quirk(
        "alignment_of_overlapping_windows_may_exceed_1",
        "the earlier window overwrites the later one for its own characters only: a code in two windows has weights "
        "of both",
        "the same; `window_attention` gives one window alone",
    ),
    Quirk(
        "decoded_audio_is_not_clipped",
        "the decoder's output may leave [-1, 1]",
        "the same for the decoder; a clip of the model is scaled down as a whole",
    ),
)
