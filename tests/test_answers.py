"""The answers to the lectures' exercises: none is missing, they run, and what they say is so. See test_exercises.py."""

import re
import tomllib
from pathlib import Path

import nbformat
import pytest
from desk import PROJECT

from helpers.notebooks import STAND_IN, execute, without_data

ROOM = PROJECT / "lectures"
LECTURES = [path for path in sorted(ROOM.glob("*.ipynb")) if re.fullmatch(r"\d\d_\w+", path.stem)]
ANSWERS = sorted(ROOM.glob("answers/[0-9][0-9]_*.ipynb"))
LATER = (  # not answered yet; this list only shrinks
    "06_variational",
    "07_structured",
    "12_segmentation",
)
# Their numbers are those of a stand-in, as their lectures' are, or of patches that lecture 13 makes everywhere.
MADE_UP = (*tomllib.loads((ROOM / "expected.toml").read_text())["on_stand_in"], "13_on_the_cluster")
# What the prose of an answer says of its own numbers, in their names; with the seed of the notebook, on its data.
CLAIMS = {
    "00_start_here": [
        "np.argsort(mse_of_digit)[[0, -2, -1]].tolist() == [1, 0, 2]",
        "mse_of_digit[1] < mse_of_digit[2] / 2",
        "abs(max(mse_of_digit) - 0.064) < 0.001",
        "abs(mse_label - 0.0529) < 0.0001 and abs(mse_two - 0.0445) < 0.0003",
        "abs(mse_two / mse_label - 5 / 6) < 0.02",
    ],
    "01_simple": [
        "bce(black_and_white, black_and_white) < 1e-6",
        "abs(on_mse['BCE'] / on_bce['BCE'] - 1.05) < 0.015",
        "abs(on_mse['MSE'] / on_bce['MSE'] - 1) < 0.01",
        "abs(with_linear['MSE'] / on_bce['MSE'] - 0.976) < 0.01",
        "1 > with_linear['BCE'] / on_bce['BCE'] > with_linear['MSE'] / on_bce['MSE']",
        "turned_away['noise'] == turned_away['photo'] == 1",
        "sum(errors['clothes'] <= threshold) == 1",
        "0.005 < turned_away['test digits'] < 0.015 and 0.035 < to_catch_all < 0.06",
    ],
    "02_sparse": [
        "abs(low['mean of the codes'] - 0.12) < 0.02 and abs(high['mean of the codes'] - 0.25) < 0.02",
        "abs(high['test BCE'] - 0.107) < 0.003 and high['test BCE'] < 0.9 * low['test BCE']",
        "abs(low['cosine of other digits'] - 1 / 3) < 0.05 and abs(high['cosine of other digits'] - 0.5) < 0.05",
        "before > 0.99 and max(freed.values()) < 0.3",
        "abs(sparser['test BCE'] - narrow['test BCE']) < 0.003 and sparse['test BCE'] < narrow['test BCE'] - 0.003",
        "narrow['units above 0.1'] > 30 and abs(sparser['units above 0.1'] - 17) < 3",
        "1.5 < sparser['units above 0.5'] < 3.5",
    ],
    "03_deep": [
        "dense.build_autoencoder(32).count_params() == 50_992 and stage_3.count_params() == 222_384",
        "abs(grown[True]['parameters that learn'] / grown[False]['parameters that learn'] - 0.5) < 0.02",
        "abs(cost_of_freezing - 0.0015) < 0.0008",
        "even['stage 1'] < uneven['stage 1'] - 0.002 and 0 < uneven['stage 2'] - even['stage 2'] < 0.001",
        "sum(even.values()) > sum(uneven.values()) and abs(even['stage 3'] - uneven['stage 3'] - 0.0056) < 0.0015",
        "losses_few[1] < bce_average - 0.01 and min(losses_few[2:]) > bce_average - 0.003",
        "max(losses_many[2], losses_many[5], losses_many[8]) < bce_average - 0.01",
        "all(losses_many[k] < losses_many[k - 1] - 0.002 for k in (1, 2, 4, 5, 7, 8))",
    ],
    "04_convolutional": [
        "10.5 < decoders['nearest']['products'] / decoders['transpose']['products'] < 12",
        "abs(decoders['transpose']['test BCE'] - 0.085) < 0.002",
        "abs(decoders['nearest']['test BCE'] - 0.095) < 0.003",
        "on_grey['kernel 4'][0] < 0.7 * on_grey['kernel 3'][0] < 0.7 * on_grey['kernel 2'][0]",
        "0.01 < on_grey['kernel 4'][0] < 0.4 * on_grey['kernel 2'][0]",
        "max(patterns[2][0].max(), patterns[4][0].max()) < 1e-4 < 0.1 < patterns[3][0].min()",
        "patterns[3][1][0] < min(patterns[2][1][0], patterns[4][1][0]) and patterns[3][1][0] > 0.05",
        "scores[4] < scores[3] < scores[2]",
    ],
    "05_denoising": [
        "all(np.greater(heights['made for 0.2'], heights['median of 3 x 3']))",
        "abs(heights['made for 0.2'][2] - heights['median of 3 x 3'][2] - 4.7) < 0.5",
        "0.2 < heights['made for 0.2'][10] - heights['median of 3 x 3'][10] < 0.9",
        "heights['made for 0.2'][1] > heights['nothing'][1] > heights['made for 0.5'][1]",
        "(np.subtract(heights['made for 0.2'], heights['made for 0.5'])[[3, 5]] * [1, -1] > 0.5).all()",
        "abs(by_moves['none'] - 0.22) < 0.01 and abs(by_moves['large'] - by_moves['none']) < 0.015",
        "by_moves[\"the lecture's\"] < by_moves['none'] - 0.03",
        "-0.1 < heights['made for 0.5'][5] - heights['made for all'][5] < 0.4",
        "(np.subtract(heights['made for all'], heights['made for 0.5'])[[0, 2, 10]] > [1.5, 0.5, 0.5]).all()",
        "heights['made for 0.2'][2] > heights['made for all'][2] + 1",
    ],
    "08_latent_spaces": [
        "all(0 < a - b < 0.03 for a, b in zip(kept['perplexity 30'], kept['perplexity 5']))",
        "{node.main_class: node.shares.max() > 0.9 for node in root.walk() if node.level == 2}[1]",
        "len({node.main_class for node in root.walk() if node.level == 3}) == 10",
        "min(node.shares.max() for node in root.walk() if node.level == 3) < 0.5",
        "abs(found['ten axes']['NMI'] - 0.55) < 0.03 and abs(found['told the class']['NMI'] - 0.39) < 0.04",
        "abs(found['twenty axes']['NMI'] - found['ten axes']['NMI']) < 0.08",
        "found['told the class']['reconstruction'] < found['ten axes']['reconstruction']",
        "found['convolutional']['reconstruction'] < found['ten axes']['reconstruction'] - 8",
        "max(found, key=lambda name: found[name]['purity']) == 'convolutional'",
        "all(min(found, key=lambda name: found[name][score]) == 'told the class' for score in ('NMI', 'purity'))",
    ],
    "09_sequences": [
        "0 < mse[8, False] - mse[8, True] < 0.03 and abs(mse[2, False] - average) < 0.005 and mse[2, True] < average",
        "min(lost[1.0] - lost[0.1]) > 0 and lost[1.0][3] > 0.2 and lost[0.1][9] < 0.1 < 0.3 < lost[1.0][9]",
        "caught[1.0] < caught[0.1] / 2",
        "abs(mse_32['backwards'] - mse_32['forwards']) < 0.01",
        "by_row['backwards'][:7].mean() > by_row['forwards'][:7].mean() + 0.005",
        "by_row['backwards'][-3:].mean() < by_row['forwards'][-3:].mean() - 0.005",
    ],
    "10_aerial_tiles": [
        "abs(of_256['MAE, held out'] - of_64['MAE, held out']) < 0.006 and abs(mae_pca - 0.065) < 0.002",
        "of_256['class'] < of_64['class'] + 0.02 and max(of_256['height'], of_64['height']) < 0.05",
        "of_256['direction'] < 0 and of_64['direction'] < 0 and min(of_256['colour'], of_64['colour']) > 0.95",
        "millions['max'] == millions['average'] and abs(millions['max'] / millions['strided'] - 4) < 0.1",
        "abs(millions['replace'] / millions['strided'] - 6) < 0.5",
        "abs(told['colours and heights']['class'] - told['colours']['class']) < 0.06",
        "max(found['height'] for found in told.values()) < 0.1",
    ],
    "11_image_to_image": [
        "abs(gained - 10) < 2",
        "0.055 < off_satellite < 0.085 < off_summer",
        "both_tasks['both']['accuracy'] < both_tasks['labels only']['accuracy'] - 0.03",
        "abs(both_tasks['picture only']['PSNR, dB'] - both_tasks['both']['PSNR, dB']) < 1.5",
    ],
    "13_on_the_cluster": [
        "len(swept) == 12 and of_fold_1 == [2, 3, 6, 7, 10, 11]",
        "difference == 0",
        "last == 9 and len(plan) == 10",
    ],
}


def prose(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def exercises(lecture: Path) -> list[str]:
    """Return the kind and number of each exercise of a lecture, such as `Recall 1`."""
    kinds = re.split(r"^### ", prose(lecture).partition("## Exercises")[2].partition("\n## ")[0], flags=re.MULTILINE)
    return [
        f"{kind.partition(chr(10))[0]} {number}" for kind in kinds for number in re.findall(r"^(\d)\. ", kind, re.M)
    ]


def test_every_lecture_has_answers_but_those_that_come_later():
    answered = [path.stem for path in ANSWERS]
    assert tuple(path.stem for path in LECTURES if path.stem not in answered) == LATER
    assert answered == list(CLAIMS), "what an answer says of its numbers is checked"


@pytest.mark.parametrize("answers", ANSWERS, ids=lambda path: path.stem)
def test_each_exercise_of_a_lecture_has_its_question_and_its_answer(answers):
    parts = re.split(r"^### ", prose(answers), flags=re.MULTILINE)[1:]
    assert [part.partition("\n")[0] for part in parts] == exercises(ROOM / answers.name) and len(parts) == 8
    for part in parts:
        _, question, answer = part.split("\n\n", 2)
        assert question.startswith("> ") and len(answer.split()) > 15, part


@pytest.mark.long
@pytest.mark.turns
@pytest.mark.parametrize("answers", ANSWERS, ids=lambda path: path.stem)
def test_answers_run_and_what_they_say_is_so(answers, stand_ins, kernels):
    made_up = answers.stem in MADE_UP
    env = without_data(stand_ins) if made_up else {}
    notebook, values, _ = execute(answers, names=[*CLAIMS[answers.stem], STAND_IN], env=env, **kernels)
    pictures = [
        output.metadata.get("image/png", {}).get("alt")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert pictures and all(pictures), "a figure without alt text: end its cell with .describe(…)"
    if values.pop(STAND_IN) and not made_up:
        pytest.skip("they run; what they say holds for the real data, which are not on this machine")
    assert [claim for claim, holds in values.items() if not holds] == []
