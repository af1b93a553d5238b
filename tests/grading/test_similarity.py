"""Copies are found whatever their names, order and layout; who solved the same task alone is not accused."""

import ast
import json
import random
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.grading.similarity import Work, features, marked, read_works, similar, write_page

pytestmark = pytest.mark.slow

HANDED_OUT = new_notebook(
    cells=[
        new_markdown_cell("Build an autoencoder, train it, and say what you saw."),
        new_code_cell("import numpy as np\nfrom tensorflow import keras\nfrom keras import layers, ops"),
        new_code_cell("def build(latent_dim):\n    # YOUR CODE HERE\n    raise NotImplementedError()"),
    ]
)


def answer(rng: random.Random) -> list[str]:
    """Write four answers as a student might: one of several ways for each step, with names and numbers of one's own."""
    pick = rng.choice
    hidden, code, picture = (
        pick(["h", "hidden", "x", "z1"]),
        pick(["z", "code", "latent"]),
        pick(["inputs", "img", "i"]),
    )
    size, act = pick([64, 96, 100, 128, 200, 256, 300, 512]), pick(["relu", "gelu", "elu", "swish", "tanh"])
    flat = pick(
        [
            f"{hidden} = layers.Flatten()({picture})",
            f"{hidden} = layers.Reshape((784,))({picture})",
            f"{hidden} = ops.reshape({picture}, (-1, 28 * 28))",
        ]
    )
    middle = pick(
        [
            f"{hidden} = layers.Dense({size}, activation='{act}')({hidden})",
            f"{hidden} = layers.Dense({size})({hidden})\n    {hidden} = layers.Activation('{act}')({hidden})",
            f"for units in ({size}, {size // 2}):\n        {hidden} = layers.Dense(units, '{act}')({hidden})",
            f"{hidden} = keras.Sequential([layers.Dense({size}, '{act}'), layers.Dense({size // 4})])({hidden})",
            f"{hidden} = layers.Dropout({pick([0.1, 0.2, 0.3])})(layers.Dense({size}, '{act}')({hidden}))",
        ]
    )
    end = pick(
        [
            f"return keras.Model({picture}, {code}), decoder",
            f"encoder = keras.Model({picture}, {code}, name='encoder')\n    return encoder, decoder",
            f"model = keras.Model(inputs={picture}, outputs={code})\n    return model, decoder",
        ]
    )
    decoder = pick(
        [
            f"decoder = keras.Sequential([layers.Dense({size}, '{act}'), layers.Dense(784, 'sigmoid')])",
            f"decoder = keras.Sequential()\n    decoder.add(layers.Dense({size}, activation='{act}'))"
            "\n    decoder.add(layers.Dense(28 * 28, activation='sigmoid'))",
            f"back = keras.Input((latent_dim,))\n    up = layers.Dense({size}, '{act}')(back)"
            "\n    decoder = keras.Model(back, layers.Dense(784, activation='sigmoid')(up))",
        ]
    )
    build = f"""def build(latent_dim):
    {picture} = keras.Input((28, 28, 1))
    {flat}
    {middle}
    {code} = layers.Dense(latent_dim)({hidden})
    {decoder}
    {end}"""
    rate, batch, epochs = pick([1e-3, 3e-3, 2e-3, 5e-4]), pick([32, 64, 100, 128, 256]), pick([2, 3, 5, 8, 10, 12])
    train = pick(
        [
            f"def train(model, images):\n    model.compile(keras.optimizers.Adam({rate}), 'binary_crossentropy')"
            f"\n    return model.fit(images, images, batch_size={batch}, epochs={epochs}, verbose=0)",
            f"def train(model, images):\n    opt = keras.optimizers.{pick(['Adam', 'Nadam', 'RMSprop'])}({rate})"
            f"\n    model.compile(optimizer=opt, loss=keras.losses.BinaryCrossentropy())"
            f"\n    h = model.fit(images, images, epochs={epochs}, batch_size={batch})"
            "\n    return h.history['loss']",
            f"def train(net, x):\n    steps = len(x) // {batch}\n    for epoch in range({epochs}):"
            f"\n        for k in range(steps):\n            part = x[k * {batch}:(k + 1) * {batch}]"
            "\n            loss = net.train_on_batch(part, part)\n        print(epoch, loss)\n    return loss",
        ]
    )
    count = pick(
        [
            "def silent(codes, limit):\n    return int(np.sum(np.all(np.abs(codes) < limit, axis=0)))",
            "def silent(c, t):\n    n = 0\n    for j in range(c.shape[1]):\n        if (c[:, j] < t).all():"
            "\n            n += 1\n    return n",
            "def silent(codes, eps):\n    biggest = np.max(np.abs(codes), axis=0)\n    quiet = biggest < eps"
            "\n    return quiet.sum()",
            "silent = lambda codes, limit: sum(column.max() < limit for column in np.abs(codes).T)",
        ]
    )
    numbers = [rng.randrange(100) for _ in range(3)]
    show = f"rows = {numbers}\nprint(silent(np.ones((4, 3)), {pick([0.1, 0.01, 1e-3])}))"
    return [build, train, count, show]


def disguised(cells: list[str], rng: random.Random) -> list[str]:
    """Copy answers with other names, another layout, comments, and the order of cells and of functions changed."""
    new = {}

    class Rename(ast.NodeTransformer):
        def visit_Name(self, node):
            return ast.Name(new.get(node.id, node.id), node.ctx)

        def visit_arg(self, node):
            return ast.arg(new.get(node.arg, node.arg))

    out = []
    for cell in cells:
        tree = ast.parse(cell)
        bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        bound |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
        new = {name: f"my_{name}_{rng.randrange(100)}" for name in bound}
        text = ast.unparse(Rename().visit(tree))
        out.append(
            "# my own work\n" + re.sub(r", ", ",\n        ", text) if "(" in text and rng.random() < 0.5 else text
        )
    rng.shuffle(out)
    return out


def notebook(cells: list[str]) -> nbformat.NotebookNode:
    return new_notebook(cells=[*HANDED_OUT.cells[:2], *map(new_code_cell, cells)])


@pytest.fixture(scope="module")
def works(tmp_path_factory):
    """Hand in 300 notebooks, 12 of them copies of others, and one that is no notebook."""
    rng, folder = random.Random(0), tmp_path_factory.mktemp("handed")
    alone = {f"student{number:03}": answer(rng) for number in range(288)}
    copied = {f"copy{number:02}": f"student{23 * number:03}" for number in range(12)}
    everybody = alone | {copy: disguised(alone[source], rng) for copy, source in copied.items()}
    paths = {name: folder / f"{name}.ipynb" for name in everybody}
    for name, cells in everybody.items():
        paths[name].write_text(json.dumps(notebook(cells)))
    (folder / "broken.ipynb").write_text("<html>")
    return (*read_works(paths | {"broken": folder / "broken.ipynb"}, [], [HANDED_OUT]), copied)


def test_twelve_copies_among_300_are_found_and_few_others(works):
    read, problems, copied = works
    found = {(pair.second.name, pair.first.name) for pair in similar(read)}
    found = {tuple(sorted(pair)) for pair in found}
    planted = {tuple(sorted(pair)) for pair in copied.items()}
    assert planted <= found
    assert len(found - planted) <= 3
    assert len(problems) == 1 and "broken.ipynb" in problems[0]


def test_an_earlier_term_is_compared_with_but_not_with_itself(tmp_path):
    rng = random.Random(5)
    old, new = answer(rng), {f"student{number}": answer(rng) for number in range(20)}
    for name in ("2024", "2025"):
        nbformat.write(notebook(old), tmp_path / f"{name}.ipynb")
    for name, cells in (new | {"thief": disguised(old, rng)}).items():
        nbformat.write(notebook(cells), tmp_path / f"{name}.ipynb")
    submitted = {name: tmp_path / f"{name}.ipynb" for name in [*new, "thief"]}
    read, _ = read_works(submitted, [tmp_path / "2024.ipynb", tmp_path / "2025.ipynb"], [HANDED_OUT])
    assert [(pair.first.name, pair.second.is_earlier) for pair in similar(read)] == [("thief", True)] * 2


def test_blank_and_canonical_work_is_no_evidence(tmp_path):
    solution = notebook(answer(random.Random(1)))
    for name in ("a", "b"):
        nbformat.write(HANDED_OUT, tmp_path / f"blank_{name}.ipynb")
        nbformat.write(solution, tmp_path / f"same_{name}.ipynb")
    paths = {path.stem: path for path in tmp_path.glob("*.ipynb")}
    read, _ = read_works(paths, [], [HANDED_OUT, solution])
    assert similar(read) == []


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    y = x + 1\n    return y",
        "def g(q):\n    'Add.'\n    r = (q\n         + 1)\n    return r  # done",
        "def g(q: int):\n    r = q + 1\n    return r",
    ],
)
def test_names_layout_comments_and_docstrings_do_not_matter(other):
    assert features("def f(a):\n    b = a + 1\n    return b", {}) == features(other, {})


def test_code_that_does_not_parse_and_magics_have_features():
    assert features("for x in\n  y y", {}) and features("%matplotlib inline\nx = 1", {}) == features("x = 1", {})


def test_the_page_shows_both_sides_with_what_is_common_marked(works, tmp_path):
    read, _, _ = works
    pairs = similar(read)
    write_page(tmp_path / "similar" / "hw.html", "hw<1>", pairs[:2], len(read))
    page = (tmp_path / "similar" / "hw.html").read_text()
    assert page.count("<h2 ") == 2 and "hw&lt;1&gt;" in page and "hw<1>" not in page
    assert "<mark>" in page and 'lang="en"' in page and "http" not in page
    for pair in pairs[:2]:
        assert f"{pair.first.name} and {pair.second.name}" in page


CODE = "a = 1\nb = f(\n    a,\n    2,\n)\nif a:\n    c = 3"
PROSE = "One thing of my own.\nThe loss falls because the network\nlearns what digits have in common."


@pytest.mark.parametrize(
    ("text", "is_code", "common", "lines"),
    [
        (CODE, True, features("q = g(z, 2)", {}), [1, 2, 3, 4]),  # a statement is marked whole
        (CODE, True, features("if z:\n    pass", {}) - features("pass", {}), [5]),  # without what is in it
        ("for x in\n  y y", True, features("for x in", {}), [0]),  # does not parse
        (PROSE, False, {"text: because the network learns what"}, [1, 2]),
        (PROSE, False, {"text: quite another thing of mine"}, []),
    ],
)
def test_what_both_have_is_marked_in_code_and_in_prose(text, is_code, common, lines):
    [answer] = marked(Work("a", [(text, is_code)], {}, frozenset()), common)
    assert [line for line, _ in answer] == text.split("\n")
    assert [number for number, (_, is_shared) in enumerate(answer) if is_shared] == lines
