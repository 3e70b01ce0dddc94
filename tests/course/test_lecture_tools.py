"""What lectures show: card, guess, source, numbers from the run, and the first cell."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from IPython.core.events import EventManager, available_events
from PIL import Image

from ssl_course.course import equations, lecture, palette
from ssl_course.data import load
from ssl_course.theory.independence import epsilon_ci_squared


@pytest.fixture(autouse=True)
def no_guesses(tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_COURSE_KEPT", str(tmp_path / "kept"))


# ---- first cell ---------------------------------------------------------------------------------------------------


# ---- where a lecture runs -----------------------------------------------------------------------------------------


def test_setting_reads_the_environment_before_the_lecture_s_own_choice(monkeypatch):
    for name in ("SSL_COURSE_LECTURE_DATA", "SSL_COURSE_MAX_STEPS"):
        monkeypatch.delenv(name, raising=False)
    assert (lecture.setting().data, lecture.setting("earth").data, lecture.setting().whole) == (
        "scenes",
        "earth",
        True,
    )
    monkeypatch.setenv("SSL_COURSE_LECTURE_DATA", "cifar10")
    monkeypatch.setenv("SSL_COURSE_MAX_STEPS", "10")
    assert (lecture.setting("earth").data, lecture.setting().whole) == ("cifar10", False)


def test_setting_gives_figures_the_course_s_style():
    with matplotlib.rc_context():
        matplotlib.rcParams["axes.edgecolor"] = "red"
        lecture.setting()
        assert matplotlib.rcParams["axes.edgecolor"] == palette.MUTED


def test_a_setting_loads_sets_by_name_and_folders_of_photographs(tmp_path):
    everything = load("scenes", 16, "test")
    some = lecture.Setting("scenes", True).load(16, "test", 40)
    assert len(some) == 40 and torch.equal(some.images, lecture.shuffled(everything, 40).images)
    assert torch.equal(lecture.Setting("scenes", True).load(16, "test").images, everything.images)
    for k in range(40):
        folder = tmp_path / "ab"[k % 2]
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (20, 20), (0, 0, 255)).save(folder / f"{k}.png")
    blue = lecture.Setting(str(tmp_path), True).load(16).images
    assert blue.shape[1:] == (3, 16, 16) and bool((blue[:, 2] == 255).all())


def test_shuffled_takes_each_row_at_most_once_and_the_same_ones_again():
    rows = torch.arange(50)
    a, b = lecture.shuffled(rows, 20), lecture.shuffled(rows, 20)
    assert torch.equal(a, b) and len(set(a.tolist())) == 20 and a.tolist() != sorted(a.tolist())
    assert sorted(lecture.shuffled(rows, 1000).tolist()) == rows.tolist()


def test_recorded_results_are_read_and_a_wrong_name_lists_those_there_are():
    assert {"command", "results"} <= set(lecture.recorded("collapse"))
    with pytest.raises(FileNotFoundError, match=r"'colapse'.*there are: .*collapse, .*words"):
        lecture.recorded("colapse")


def test_importing_the_tools_is_light():
    run = "import sys, ssl_course.course.lecture, ssl_course.course.plots; print(*(m for m in ('torch', 'matplotlib', 'ipywidgets') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ---- card ---------------------------------------------------------------------------------------------------------


def test_card():
    card = lecture.card(
        claim="`a` < b", note="§3.4", minutes=(20, 1), able=["one", "two"],
        equations=["approximate conditional independence", "similarity loss"],
    )  # fmt: skip
    html = card.html
    for part in ("<code>a</code> &lt; b", "§3.4", "20 minutes", "one<br>two", "l_sim",
                 "<code>ssl_course.theory.independence.epsilon_ci_squared</code>"):  # fmt: skip
        assert part in html
    assert "href" not in html  # a student's copy of the lectures has no file of the package beside it
    assert html.count('<th scope="row"') == 6
    assert repr(card) == "Claim: `a` < b (note §3.4)"
    with pytest.raises(ValueError, match="there are"):
        lecture.card(claim="c", note="§1", minutes=(1, 1), equations=["E = mc²"])


def formulas_outside_html(markdown):
    """What a Markdown reader typesets: formulas in blocks that do not begin with a tag, as CommonMark has it."""
    blocks = re.split(r"\n\s*\n", markdown)
    assert not [b for b in blocks if b.lstrip().startswith("<") and re.search(r"\$[^$<]+\$", b)], (
        "in HTML, typeset nowhere"
    )
    return [f for b in blocks for f in re.findall(r"\$([^$]+)\$", b)]


def test_formulas_are_markdown_since_not_every_home_typesets_html():
    names = ["approximate conditional independence", "independent causes", "similarity loss"]
    names = [e.name for e in equations.EQUATIONS if e.name in names or ">" in e.latex]
    card = lecture.card(claim="the loss is $a < b$", note="§3", minutes=(1, 1), equations=names)
    assert (
        card._repr_html_() is None
        and lecture.card(claim="a", note="§3", minutes=(1, 1))._repr_markdown_() is None
    )
    found = formulas_outside_html(card._repr_markdown_())
    assert len(found) == len(names) + 1 and not any("&" in f or ">" in f or "<" in f for f in found)
    assert r"a \lt  b" in found
    boxed = lecture.reveal("none", 3, "it is $E[X_2]$")
    assert formulas_outside_html(boxed._repr_markdown_()) == ["E[X_2]"]
    assert lecture.reveal("none", 3, "it costs 3 $")._repr_html_()


# ---- predict first ------------------------------------------------------------------------------------------------


def test_guess_is_kept_and_shown_beside_the_result():
    asked = lecture.predict("k", "How many?")
    asked.input.value = "1,024"
    assert lecture.guess("k") == 1024
    assert lecture.predict("k", "How many?").input.value == "1,024"  # the cell was run again
    shown = lecture.reveal("k", torch.tensor(512), "That is {measured}, not {guess}.")
    assert "1,024" in shown.html and "512" in shown.html and "factor of 2" in shown.html
    assert "That is 512, not 1,024." in repr(shown)


def test_without_a_guess():
    lecture.predict("k", "How many?")
    assert "none" in repr(lecture.reveal("k", 3.14159)) and "3.14" in repr(lecture.reveal("k", 3.14159))


@pytest.mark.parametrize(
    ("typed", "kept"), [("25 %", 0.25), ("-.5", -0.5), ("−2", -2), ("2e3", 2000), ("many", None), ("nan", None), ("inf", None)]
)  # fmt: skip
def test_what_counts_as_a_number(typed, kept):
    asked = lecture.predict("k", "How many?")
    asked.input.value = typed
    assert lecture.guess("k") == kept
    assert ("not a number" in asked.answer.value) == (kept is None)


def test_a_guess_can_be_taken_back():
    asked = lecture.predict("k", "How many?")
    asked.input.value = "3"
    asked.input.value = ""
    assert lecture.guess("k") is None


def test_choice():
    asked = lecture.predict("k", "Which?", kind="choice", choices=["up", "down"])
    assert asked.input.value is None  # nothing is chosen for the reader
    asked.input.value = "up"
    assert "surprised" in lecture.reveal("k", "down").html
    assert "You had it" in lecture.reveal("k", "up").html
    assert lecture.predict("k", "Which?", kind="choice", choices=["up", "down"]).input.value == "up"
    assert "up · down" in asked._repr_mimebundle_()["text/html"]


@pytest.mark.parametrize(("guess", "measured", "says"), [
    ("100", 101, "You had it"), ("10", 1000, "factor of 100"), ("0.5", 0.6, "Off by 0.1"), ("-1", 1, "Off by 2"),
    ("0", 0, "You had it"), ("0", 5, "Off by 5"),
])  # fmt: skip
def test_distance(guess, measured, says):
    lecture.predict("k", "?").input.value = guess
    assert says in lecture.reveal("k", measured).html


def test_predict_is_labelled_and_leaves_its_question_behind():
    asked = lecture.predict("k", "How <many>?")
    assert asked.input.description
    bundle = asked._repr_mimebundle_()
    assert "How &lt;many&gt;?" in bundle["text/html"] and "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.parametrize("bad", [{"kind": "guess"}, {"kind": "choice"}, {"choices": ["a"]}])
def test_bad_predict(bad):
    with pytest.raises(ValueError, match="kind|choices"):
        lecture.predict("k", "?", **bad)


# ---- source -------------------------------------------------------------------------------------------------------


def test_show_source_of_some_lines():
    few = repr(lecture.show_source(lecture.say, lines=("def fill(", "return fill_named(match)")))
    assert few.splitlines()[0] == "def fill(match: re.Match) -> str:" and few.count("\n") == 4
    whole = repr(lecture.show_source(lecture.say))
    assert all(row.strip() in whole for row in few.splitlines())
    with pytest.raises(ValueError, match="no lines from 'no such'"):
        lecture.show_source(lecture.say, lines=("no such", "line"))


def test_show_source():
    shown = lecture.show_source(epsilon_ci_squared)
    text = re.sub(r"<[^>]+>", "", shown.html)
    assert "gap = best_predictor(joint, x2) - predictor_through_y(joint, x2)" in text
    assert '"""' not in repr(shown)
    assert "<code>ssl_course.theory.independence.epsilon_ci_squared</code>" in shown.html
    assert "href" not in shown.html and 'tabindex="0"' in shown.html


def test_highlighting_is_legible():
    from test_palette import contrast

    from ssl_course.course import palette

    html = lecture.show_source(lecture.say).html
    colours = set(re.findall(r"(?<=[\";]color:) ?light-dark\((#\w{6}),(#\w{6})\)", html))
    assert len(colours) >= 4
    for light, dark in colours:
        assert contrast(light, palette.WASH) >= 4.5 and contrast(dark, palette.DARK["wash"]) >= 4.5


# ---- prose from results -------------------------------------------------------------------------------------------


def test_say():
    said = lecture.say(
        r"It is **{x:.2f}**, {n} of {m}; $\frac{1}{n} = {x:.1f}$.",
        x=torch.tensor(0.3349),
        n=1024,
        m=np.float64(2.5),
    )
    assert said._repr_markdown_() == r"It is **0.33**, 1,024 of 2.5; $\frac{1}{n} = 0.3$."


@pytest.mark.parametrize(("text", "said"), [
    ("**{x:+.3f}** ± 0.1 ({x})", "**−0.250** ± 0.1 (−0.25)"), ("-18 to 19 %", "−18 to 19 %"), ("{x:.0%}", "−25%"),
    ("$y^{-1} = {x:.1f}$ and {x:.1f}", "$y^{-1} = -0.2$ and −0.2"), ("`f(-1, {x:.1f})` is {x:.1f}", "`f(-1, -0.2)` is −0.2"),
    ("<!-- given: -1 --> 2018-11 to 2019-01, top-1, - 3", "<!-- given: -1 --> 2018-11 to 2019-01, top-1, - 3"),
])  # fmt: skip
def test_a_negative_number_has_a_minus_sign_outside_formulas_and_code(text, said):
    assert lecture.say(text, **{"x": -0.25} if "{x" in text else {})._repr_markdown_() == said


@pytest.mark.parametrize(
    ("text", "numbers"), [("It is {x:.2f}", {}), ("It is", {"x": 1}), ("It is {y:.2f}", {"x": 1}),
                          ("It is {x.mean:+.3f}", {}), ("It is {x.mean}", {}), ("It is {x} and {x.mean}", {"x": 1})]
)  # fmt: skip
def test_say_with_a_number_missing(text, numbers):
    with pytest.raises(ValueError, match="[xy]"):
        lecture.say(text, **numbers)


@pytest.mark.parametrize(("value", "text"), [(1024, "1,024"), (0.40512, "0.405"), (3.2e-5, "3.2e-05"), (1234.5, "1,234"),
                                             (True, "True"), ("up", "up"), (float("nan"), "nan")])  # fmt: skip
def test_number(value, text):
    assert lecture.number(value) == text


# ---- memory goes back to the system after each cell ----------------------------------------------------------------


def test_after_each_cell_memory_is_given_back_once(monkeypatch):
    shell = SimpleNamespace()
    shell.events = EventManager(shell, available_events)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    lecture.setting()
    lecture.setting("earth")
    assert shell.events.callbacks["post_run_cell"].count(lecture.give_back) == 1


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc alone keeps it"
)
def test_what_is_given_back_is_seen_by_the_system():
    def resident():
        return (
            int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
            * os.sysconf("SC_PAGE_SIZE")
            / 1e6
        )

    blocks = [bytearray(5000) for _ in range(40_000)]  # 200 MB
    last = bytearray(5000)  # above them, so that the heap does not shrink by itself
    del blocks
    held = resident()
    lecture.give_back()
    assert resident() < held - 150 and len(last) == 5000
