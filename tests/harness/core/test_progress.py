"""Lines in a log are few and say what is left; bars and silence keep to themselves."""

import io

from rich.console import Console

from harness.core.progress import Bars, Lines, Quiet, progress_for


def test_lines_say_start_middle_and_end():
    stream = io.StringIO()
    with Lines(stream, every=0.0).stage("sampling", 4) as stage:
        stage.advance(1.5, "temperature=0.7")
        stage.advance(4)
    first, middle, last = stream.getvalue().splitlines()
    assert first == "sampling: 4"
    assert middle.startswith("sampling: 1/4, ")
    assert middle.endswith("left · temperature=0.7")
    assert last.startswith("sampling: done in ")


def test_progress_never_goes_back():
    stream = io.StringIO()
    with Lines(stream, every=0.0).stage("sampling", 96) as stage:
        for done in (31, 24, 30.5, 40, 0):
            stage.advance(done)
    counts = [int(line.split()[1].split("/")[0]) for line in stream.getvalue().splitlines()[1:-1]]
    assert counts == [31, 31, 31, 40, 40]


def test_lines_are_not_repeated_in_a_hurry():
    stream = io.StringIO()
    with Lines(stream, every=60.0).stage("sampling", 1000) as stage:
        for done in range(1000):
            stage.advance(done)
    assert len(stream.getvalue().splitlines()) == 2


def test_a_stage_that_breaks_off_does_not_say_done():
    stream = io.StringIO()
    try:
        with Lines(stream).stage("sampling", 2):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert "done" not in stream.getvalue()


def test_bars_show_count_and_detail():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Bars(console).stage("sampling", 3) as stage:
        stage.advance(2.5, "temperature=0.7")
        stage.advance(3)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "sampling" in shown
    assert "3/3" in shown


def test_quiet_is_quiet_and_a_pipe_gets_lines(capsys):
    progress = progress_for(quiet=True)
    progress.note("x")
    with progress.stage("y", 1) as stage:
        stage.advance(1)
    assert capsys.readouterr() == ("", "")
    assert isinstance(progress, Quiet)
    assert isinstance(progress_for(), Lines)
