"""The researcher's page in a browser: no complaint, every player plays, one at a time, and the key is shown."""

import pytest

from harness.listening.describe.preview import write_preview
from tests.harness.listening.hand_made import CONDITIONS, key_of, study, write_sounds

pytestmark = pytest.mark.slow

PLAY_EACH = """
async () => {
  const moved = [];
  for (const player of document.querySelectorAll("audio")) {
    await player.play();
    await new Promise(done => player.addEventListener("timeupdate", () => player.currentTime > 0 && done()));
    moved.push([player.currentTime > 0, [...document.querySelectorAll("audio")].filter(one => !one.paused).length]);
  }
  return moved;
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, stimuli = tmp_path_factory.mktemp("study"), study("multi")
    write_sounds(stimuli, folder / "public")
    write_preview(stimuli, key_of(stimuli), folder)
    return folder


@pytest.mark.parametrize("page", ["PRIVATE/preview/index.html", "preview.html"])
def test_every_player_plays_alone_and_nothing_is_complained_of(watched, folder, page):
    watched.page.goto((folder / page).as_uri())
    assert watched.page.evaluate(PLAY_EACH) == [[True, 1]] * 6
    assert watched.complaints == []
    assert all(url.startswith(("file:", "data:")) for url in watched.requests)


def test_the_key_is_shown_and_what_is_searched_for_remains(watched, folder):
    page = watched.page
    page.goto((folder / "PRIVATE" / "preview" / "index.html").as_uri())
    for name in CONDITIONS:
        assert page.get_by_role("article").get_by_text(name, exact=True).first.is_visible()
    page.get_by_role("searchbox").fill("warm")
    shown = page.locator(".card:visible")
    assert shown.count() == 2
    assert all("warm" in text for text in shown.all_inner_texts())


def test_a_click_on_the_picture_plays_from_there(watched, folder):
    page = watched.page
    page.goto((folder / "preview.html").as_uri())
    picture = page.locator(".picture").first
    box = picture.bounding_box()
    picture.click(position={"x": box["width"] / 2, "y": 5})
    page.wait_for_function("document.querySelector('audio').currentTime >= 0.9")
    assert watched.complaints == []
