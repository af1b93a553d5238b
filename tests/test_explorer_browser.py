"""The latent-space explorer in the real JupyterLab: mouse, keyboard, pixels before and after.

COURSE_SCREENSHOTS names a folder to keep the pictures in.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import explorerpage
import labdriver
import numpy as np
import pytest
from explorerpage import IN_KERNEL, Explorer, coloured, greys, pixels, run, until_greys

from helpers.latent.explorer.points import principal_components

if TYPE_CHECKING:  # see labdriver
    from playwright.sync_api import Locator

CODES = explorerpage.KNOWN_CODES
CONDITIONAL = """\
from helpers.models import variational
_, conditional = variational.build_dense_parts(3, num_classes=2, hidden=(8,), input_shape=(1, 3, 1))
explorer.show(explorer._points, decode=conditional)"""
pytestmark = pytest.mark.needs("a browser")


@pytest.fixture(scope="module")
def served(tmp_path_factory, require):
    """Write the notebook, if there is a browser to open it in."""
    require(labdriver.find_chromium(), "no Chromium here; on Debian and Ubuntu: sudo apt install chromium")
    served = tmp_path_factory.mktemp("served")
    explorerpage.write_notebook(served / "explorer.ipynb", explorerpage.KNOWN_CELLS)
    return served


@pytest.fixture(scope="module")
def notebook(served, tmp_path_factory):
    """Open the notebook in JupyterLab and run it; complaints of the page fail the last test that was told."""
    with labdriver.Lab(served, tmp_path_factory.mktemp("profile")) as lab, labdriver.Browser() as browser:
        notebook = lab.open(browser, "explorer.ipynb")
        notebook.run_all(timeout=120)
        assert notebook.errors() == []
        yield notebook
        assert browser.complaints == []


@pytest.fixture
def explorer(notebook):
    """Give the explorer as it was at first: the cell is run anew."""
    run(notebook, 1)
    explorer = Explorer(notebook.page).wait()
    explorer.root.scroll_into_view_if_needed()
    return explorer


@pytest.fixture
def second_view(explorer, notebook):
    """Show the same explorer in one more cell, at the end."""
    notebook.page.evaluate(explorerpage.ADD_CELL, "explorer")
    view = Explorer(notebook.page, view=1).wait()
    view.root.scroll_into_view_if_needed()
    yield view
    notebook.page.evaluate(explorerpage.DELETE_CELL)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def names(buttons: "Locator") -> list[str]:
    return buttons.evaluate_all("nodes => nodes.map(node => node.ariaLabel)")


def counts(explorer: Explorer) -> list[str]:
    return explorer.rows.locator("td:nth-child(2)").all_inner_texts()


def test_a_slider_moves_the_decoded_image(explorer, notebook):
    mean = 255 * (1 - CODES.mean(axis=0))
    explorer.until_decoded(*mean)
    explorer.sliders.nth(0).press("End")
    explorer.until_decoded(0, *mean[1:])
    explorer.sliders.nth(2).press("Home")
    explorer.until_decoded(0, mean[1], 255)
    assert f"None [1.0, {CODES[:, 1].mean():.3f}, 0.0]" in run(notebook, 2), "the notebook knows the code"


def test_arrow_keys_move_a_slider_and_not_the_notebook(explorer, notebook):
    active = notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex")
    slider = explorer.sliders.nth(1)
    before = float(slider.input_value())
    for key in ("ArrowRight", "ArrowUp", "PageUp"):
        slider.press(key)
    assert float(slider.input_value()) > before
    assert slider.get_attribute("aria-valuetext") == f"{float(slider.input_value()):.2f}"
    assert notebook.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == active


def test_a_brush_is_linked_and_can_be_cleared(explorer, notebook):
    before = pixels(explorer.points)
    explorer.drag((-0.005, -0.005), (0.5, 1.005))
    inside = CODES[:, 0] <= 0.5
    explorer.until_status("of 400 points chosen")
    chosen = int(explorer.status.inner_text().split()[0])
    assert abs(chosen - inside.sum()) <= 3, "a pixel more or less"
    assert not np.array_equal(pixels(explorer.points), before)
    explorer.keep("brushed")
    explorer.until_chosen()
    assert [text.split(" of ")[0] for text in counts(explorer)][1] in ("0", "1", "2", "3")
    assert run(notebook, 2).startswith("[0, ")
    explorer.matrix.press("Escape")
    explorer.until_status("Drag to brush")
    notebook.page.wait_for_timeout(100)  # the next frame
    np.testing.assert_array_equal(pixels(explorer.points), before)
    assert run(notebook, 2).startswith("[] ")
    assert counts(explorer) == [str(inside.sum()), str((~inside).sum())]


def test_a_click_decodes_a_point_and_two_show_the_way_between(explorer, notebook):
    explorer.click(0, 0)
    explorer.until_decoded(255, 255, 255)
    explorer.until_input(255, 255, 255)
    assert float(explorer.sliders.nth(0).input_value()) == 0
    explorer.click(1, 1)
    explorer.until_decoded(0, 0, 0)
    explorer.until_input(0, 0, 0)
    steps = explorer.steps
    steps.nth(8).wait_for()
    shown = [greys(step) for step in steps.all()]
    np.testing.assert_allclose(shown, np.repeat(np.linspace(255, 0, 9)[:, None], 3, axis=1), atol=1)
    explorer.keep("picked")
    assert "[] 1 [1.0, 1.0, 1.0]" in run(notebook, 2)


def test_each_view_shows_what_it_was_asked_for(explorer, second_view):
    second_view.click(0, 0)
    second_view.click(1, 1)
    steps = second_view.steps
    steps.nth(8).wait_for(timeout=30_000)
    np.testing.assert_allclose(greys(steps.nth(4)), 127.5, atol=1)
    second_view.drag((-0.005, -0.005), (0.5, 1.005))
    second_view.until_chosen()
    second_view.page.wait_for_timeout(1500)  # the other view would wait for Python by now
    assert second_view.root.get_by_role("alert").inner_text() == ""
    assert explorer.root.get_by_role("alert").inner_text() == ""
    explorer.until_decoded(*255 * (1 - CODES.mean(axis=0)))
    assert explorer.strip.is_hidden()
    assert counts(explorer)[0].isdigit(), "all points are counted here"


def test_points_that_are_exchanged_outdate_what_was_asked(explorer, notebook):
    slow = "import time; explorer._decode = lambda codes: time.sleep(1) or as_pixels(codes)"
    explorer.page.evaluate(IN_KERNEL, slow)
    explorer.click(0, 0)
    explorer.click(1, 1)
    explorer.page.evaluate(IN_KERNEL, "explorer.show(explorer._points, decode=decode)")
    explorer.root.get_by_text("input: click a point").wait_for(timeout=30_000)
    explorer.page.wait_for_timeout(3000)  # what was asked is answered by now
    explorer.until_decoded(*255 * (1 - CODES.mean(axis=0)))
    assert explorer.strip.is_hidden() and explorer.root.get_by_role("alert").inner_text() == ""
    assert " None " in run(notebook, 2), "no point is picked"
    explorer.click(1, 1)
    explorer.click(0, 0)
    explorer.steps.nth(8).wait_for(timeout=30_000)


def test_hovering_shows_the_input_image(explorer):
    overlay = explorer.root.locator("canvas.overlay")
    assert explorer.tip.is_hidden()
    blank = pixels(overlay)
    explorer.page.mouse.move(*explorer.place(1, 1))
    explorer.tip.wait_for()
    assert explorer.tip.inner_text() == "right · point 1"
    until_greys(explorer.tip.locator("canvas"), [0, 0, 0])
    explorer.page.wait_for_timeout(100)
    assert not np.array_equal(pixels(overlay), blank), "the point is ringed in every panel"
    explorer.page.mouse.move(0, 0)
    explorer.tip.wait_for(state="hidden")


def test_the_matrix_is_walked_picked_and_brushed_by_keyboard(explorer):
    explorer.matrix.press("ArrowRight")  # to the point in the middle
    explorer.tip.wait_for()
    first = explorer.tip.inner_text()
    explorer.matrix.press("ArrowRight")
    second = explorer.tip.inner_text()
    assert first != second
    one, other = (int(text.split("point ")[1]) for text in (first, second))
    assert CODES[other, 0] > CODES[one, 0]
    explorer.matrix.press("Enter")
    explorer.until_decoded(*255 * (1 - CODES[other]))
    explorer.matrix.press("Shift+ArrowRight")
    explorer.until_status("of 400 points chosen")
    few = int(explorer.status.inner_text().split()[0])
    for _ in range(3):
        explorer.matrix.press("Shift+ArrowRight")
    assert 0 < few < int(explorer.status.inner_text().split()[0])


def test_a_class_is_shown_alone_by_its_button(explorer):
    both = coloured(explorer)
    button = explorer.root.get_by_role("button", name="class left")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    explorer.until_status("of 400 points chosen")
    explorer.until_chosen()
    left = int((CODES[:, 0] <= 0.5).sum())
    assert counts(explorer) == [f"{left} of {left}", f"0 of {400 - left}"]
    assert 0.2 * both < coloured(explorer) < 0.8 * both


def test_principal_components_keep_the_code_and_what_was_picked(explorer):
    explorer.click(1, 1)
    explorer.until_decoded(0, 0, 0)
    explorer.until_input(0, 0, 0)
    before = pixels(explorer.points)
    explorer.root.get_by_role("button", name="principal components").click()
    explorer.root.get_by_role("slider", name="PC1").wait_for()
    assert not np.array_equal(pixels(explorer.points), before)
    assert greys(explorer.input) == greys(explorer.decoded) == [0, 0, 0]
    basis = principal_components(CODES)
    coordinates = basis.coordinates(CODES)
    explorer.sliders.nth(0).press("Home")
    wanted = np.array([[coordinates[:, 0].min(), *coordinates[1, 1:]]])
    explorer.until_decoded(*255 * (1 - np.clip(basis.codes(wanted)[0], 0, 1)))


def test_axes_can_be_left_out(explorer):
    wide = explorer.side()
    explorer.root.get_by_role("button", name="z2").click()
    explorer.page.wait_for_function(
        "wide => document.querySelector('canvas.points').getBoundingClientRect().height > 1.5 * wide", arg=wide
    )
    headings = explorer.root.locator("thead th").all_inner_texts()
    assert headings == ["class", "count", "z0", "z1"]


def test_the_nearest_points_are_shown_and_can_be_picked(explorer, notebook):
    explorer.click(1, 1)
    nearest = explorer.nearest
    nearest.nth(7).wait_for(timeout=30_000)
    distances = np.linalg.norm(CODES - 1, axis=1)
    order = np.argsort(distances)
    first = order[1]
    assert [int(name.split("point ")[1].split(",")[0]) for name in names(nearest)] == order[1:9].tolist()
    until_greys(nearest.nth(0).locator("canvas"), 255 * (1 - CODES[first]))
    explorer.keep("neighbours")
    nearest.nth(0).press("Enter")
    explorer.until_input(*255 * (1 - CODES[first]))
    explorer.until_decoded(*255 * (1 - CODES[first]))
    assert nearest.nth(0).evaluate("node => node === document.activeElement"), "one can go on from there"
    assert f"[] {first} " in run(notebook, 2)


def test_points_are_coloured_by_a_number(explorer):
    by_class = pixels(explorer.points)
    button = explorer.root.get_by_role("button", name="first")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    explorer.root.locator(".scale").filter(has_text="first: 0.00").wait_for()
    explorer.next_frame()
    explorer.keep("by_number")
    seen = pixels(explorer.points).astype(int)
    yellow, blue = (seen[..., 0] - seen[..., 2] > 40).sum(), (seen[..., 2] - seen[..., 0] > 40).sum()
    assert min(yellow, blue) > 100, "cividis goes from blue to yellow"
    explorer.root.get_by_role("button", name="by class").press("Enter")
    explorer.next_frame()
    np.testing.assert_array_equal(pixels(explorer.points), by_class)
    assert explorer.root.locator(".scale").is_hidden()


def test_what_is_chosen_by_code_is_shown(explorer, notebook):
    correlations = pixels(explorer.root.locator("canvas.overlay"))
    explorer.page.evaluate(IN_KERNEL, "explorer.choose([0, 1, 2])")
    explorer.until_status("3 of 400 points chosen")
    explorer.until_chosen()
    assert run(notebook, 2).startswith("[0, 1, 2] ")
    explorer.next_frame()
    assert not np.array_equal(pixels(explorer.root.locator("canvas.overlay")), correlations), "theirs are told"
    explorer.page.evaluate(IN_KERNEL, "explorer.choose([])")
    explorer.until_status("Drag to brush")


def test_a_conditional_decoder_is_told_a_class_from_a_list(explorer, notebook):
    assert explorer.label.is_hidden()
    explorer.page.evaluate(IN_KERNEL, CONDITIONAL)
    explorer.label.wait_for(timeout=60_000)
    explorer.click(1, 1)
    explorer.until_input(0, 0, 0)
    assert explorer.label.input_value() == "1", "the class of the point"
    until(lambda: " 1 [" in run(notebook, 2))  # it is decoded by now
    as_right = greys(explorer.decoded)
    explorer.label.select_option("left")
    until(lambda: run(notebook, 3) == "0\n")
    assert greys(explorer.decoded) != as_right
    explorer.keep("conditional")


def test_the_plot_is_zoomed_and_panned_by_keys(explorer, notebook):
    whole = pixels(explorer.points)

    def after(*keys):
        for key in keys:
            explorer.matrix.press(key)
        explorer.next_frame()
        return pixels(explorer.points)

    near = after("+", "+")
    assert not np.array_equal(near, whole)
    explorer.click(1, 1)
    explorer.until_status("Drag to brush")  # the point in that corner is out of view
    far_right = after(*["Alt+ArrowRight"] * 12, *["Alt+ArrowUp"] * 12)
    assert not np.array_equal(far_right, near)
    explorer.click(1, 1)
    explorer.until_decoded(0, 0, 0)
    explorer.keep("zoomed")
    np.testing.assert_array_equal(after("Escape", "0"), whole)
    np.testing.assert_array_equal(after("-"), whole)  # no farther than all
    after("0", "0")
    assert notebook.pop_ups() == [], "JupyterLab, which would restart the kernel, hears nothing of it"


@pytest.mark.parametrize("point", [5, 8])
def test_the_plot_is_zoomed_and_panned_by_hand(explorer, point):
    page, place = explorer.page, CODES[point, :2].astype(float)
    page.mouse.move(*explorer.place(*place))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_timeout(100)
    explorer.click(*place)
    explorer.until_input(*255 * (1 - CODES[point]))  # it has stayed below the pointer
    page.keyboard.down("Shift")
    explorer.drag(place, place + 0.1)
    page.keyboard.up("Shift")
    explorer.matrix.press("Escape")
    explorer.until_status("Drag to brush")
    explorer.click(*place + 0.1)
    explorer.until_status(f"point {point}")  # it has come along, and nothing was brushed
    explorer.drag((-0.005, -0.005), (1.005, 1.005))
    explorer.until_status("of 400 points chosen")
    assert int(explorer.status.inner_text().split()[0]) < 100, "those in view"


def test_images_can_be_seen_large(explorer):
    before = explorer.input.bounding_box()["width"]
    button = explorer.root.get_by_role("button", name="large images")
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert explorer.input.bounding_box()["width"] > 1.8 * before
    button.press("Enter")
    assert explorer.input.bounding_box()["width"] == before


def test_every_control_has_a_name_and_shows_its_focus(explorer):
    controls = [explorer.matrix, *explorer.sliders.all(), *explorer.root.get_by_role("button").all()]
    assert len(controls) == 1 + 3 + (2 + 3 + 2 + 1 + 2 + 1 + 3)
    for control in controls:
        assert control.evaluate("node => node.ariaLabel || node.innerText")
        control.press("Shift")  # the focus is now the keyboard's, and is to be seen
        assert control.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"


def test_a_slow_decoder_is_told_and_waited_for(explorer):
    slow = "import time; explorer._decode = lambda codes: time.sleep(2.5) or as_pixels(codes)"
    explorer.page.evaluate(IN_KERNEL, slow)
    explorer.sliders.nth(0).press("End")
    failure = explorer.root.get_by_role("alert")
    failure.filter(has_text="Waiting for Python").wait_for(timeout=30_000)
    explorer.until_decoded(0, *255 * (1 - CODES.mean(axis=0))[1:])
    assert failure.inner_text() == ""


def test_a_decoder_that_fails_says_why(explorer):
    explorer.page.evaluate(IN_KERNEL, "explorer._decode = lambda codes: codes.reshape(-1, 1, 2, 1)")
    explorer.sliders.nth(0).press("End")
    explorer.root.get_by_role("alert").filter(has_text="cannot reshape").wait_for(timeout=30_000)


def test_while_an_answer_is_awaited_only_the_newest_question_waits(explorer, notebook):
    thirty_steps = "s => { for (let k = 0; k < 30; k++) { s.stepUp(); s.dispatchEvent(new Event('input')); } }"
    slider = explorer.sliders.nth(0)
    slider.evaluate(thirty_steps)
    explorer.until_decoded(*255 * (1 - np.array([float(slider.input_value()), *CODES.mean(axis=0)[1:]])))
    assert "decoded 3 times" in run(notebook, 2), "at the start, the first step, the last step"
