"""Run a notebook from top to bottom in a clean kernel and read its variables. Used by the tests and the desk."""

import copy
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

# True in a notebook that holds data which are not the real ones; see `is_stand_in` of the data sets.
STAND_IN = "any(getattr(value, 'is_stand_in', False) is True for value in list(globals().values()))"
# Lets every training of a notebook see two batches, in two epochs, and every score and prediction one, whose rows are
# repeated; what is from scikit-learn ends after a few steps or trees; the stand-in for land cover has one tile for each
# of five folds. All its code runs and nothing is learnt; histories and predictions are as long as ever. Eagerly: to
# trace a step takes ten times as long as to take it twice.
TWO_BATCHES = """\
import numpy, sklearn.ensemble, sklearn.linear_model, sklearn.manifold, sklearn.neural_network
from helpers.backend import keras
from helpers.data import synthetic

def _two_batches(self, *arguments, fit=keras.Model.fit, **options):
    epochs = options.get("epochs", 1)
    options |= {"epochs": min(2, epochs), "steps_per_epoch": 1}
    if options.get("validation_data") is not None:
        options["validation_steps"] = 1
    self.run_eagerly, self.steps_per_execution, self.train_function, self.test_function = True, 1, None, None
    history = fit(self, *arguments, **options)
    self.run_eagerly, self.train_function, self.test_function = False, None, None
    for numbers in history.history.values():
        numbers += numbers[-1:] * (epochs - len(numbers))
    return history

def _one_batch(self, *arguments, evaluate=keras.Model.evaluate, **options):
    if self.run_eagerly:  # within a training
        return evaluate(self, *arguments, **options)
    self.run_eagerly, self.test_function = True, None
    try:
        return evaluate(self, *arguments, **options | {"steps": 1})
    finally:
        self.run_eagerly, self.test_function = False, None

def _one_batch_again(self, x, *arguments, predict=keras.Model.predict, **options):
    eagerly = not any(isinstance(layer, keras.layers.RNN) for layer in self._flatten_layers())  # whose steps take long
    if eagerly:
        self.run_eagerly, self.predict_function = True, None
    try:
        if not isinstance(x, numpy.ndarray):
            return predict(self, x, *arguments, **options)
        rows = self.predict_on_batch(x[:64])
        return keras.tree.map_structure(lambda a: numpy.resize(a, (len(x), *a.shape[1:])), rows)
    finally:
        if eagerly:
            self.run_eagerly, self.predict_function = False, None

def _end_soon(kind, name, most, method="fit"):
    whole = getattr(kind, method)
    def begin(self, *arguments, **options):
        return whole(self.set_params(**{name: min(most, getattr(self, name))}), *arguments, **options)
    setattr(kind, method, begin)

keras.Model.fit, keras.Model.evaluate, keras.Model.predict = _two_batches, _one_batch, _one_batch_again
synthetic.COUNTS["chesapeake"] = 50
_end_soon(sklearn.linear_model.LogisticRegression, "max_iter", 5)
_end_soon(sklearn.neural_network.MLPClassifier, "max_iter", 5)
_end_soon(sklearn.ensemble.RandomForestClassifier, "n_estimators", 2)
_end_soon(sklearn.manifold.TSNE, "max_iter", 250, "fit_transform")  # it takes no fewer
"""
SECONDS_PER_CELL = 1200  # a cell that hangs must not hang the tests
_QUIET = ["--log-level=ERROR"]  # no warning at each start that local sockets are not encrypted
_MIME = "application/x-course-values"
_READER = """\
import json, IPython, numpy
values = {{name: numpy.asarray(eval(name, globals())).tolist() for name in {names}}}
IPython.display.display({{"{mime}": json.dumps(values)}}, raw=True)
"""


def execute(
    path: Path,
    *,
    names: Sequence[str] = (),
    replace: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    first: str = "",
    times: int = 1,
    **options: Any,
) -> tuple[nbformat.NotebookNode, dict, float]:
    """Run a notebook in its own folder; the file stays as it is.

    Args:
        names: variables or other Python expressions to read after the last cell.
        replace: text in code cells and what to put in its place.
        env: environment variables for the kernel, on top of ours.
        first: code that runs before the first cell; `TWO_BATCHES`, for example.
        times: how often each code cell runs before the next one does; each time is a cell of the notebook returned.
        options: of nbclient's `NotebookClient`, such as `kernel_manager_class`.

    Returns:
        The notebook with its outputs, the value of each name (numbers, strings, lists of them), and the seconds taken.

    Raises:
        CellExecutionError: a cell failed or a name is not defined; a note says in which notebook.
        ValueError: a text to replace does not occur.
    """
    notebook = nbformat.read(path, as_version=4)
    _replace(notebook, replace or {}, path)
    notebook.cells = [*_repeated(notebook.cells, times)]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    notebook.cells.append(nbformat.v4.new_code_cell(_READER.format(mime=_MIME, names=list(names))))
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        extra_arguments=_QUIET,
        resources={"metadata": {"path": str(path.parent)}},  # where it runs
        **options,
    )
    start = time.monotonic()
    try:
        client.execute(env={**os.environ, **(env or {})})
    except Exception as error:
        error.add_note(f"in the notebook {path}")
        raise
    seconds = time.monotonic() - start
    reader, _ = notebook.cells.pop(), notebook.cells.pop(0)
    return notebook, json.loads(reader.outputs[-1]["data"][_MIME]), seconds


def without_data(folder: Path) -> dict[str, str]:
    """Return the environment variables of a kernel that finds no data and no network, and makes stand-ins in a folder.

    Args:
        folder: empty, or with the stand-ins that an earlier run made.
    """
    return {"COURSE_DATA": str(folder), "KERAS_HOME": str(folder / "keras"), "COURSE_OFFLINE": "1"}


def _repeated(cells: Sequence[nbformat.NotebookNode], times: int) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells, each code cell so many times; all but the first have names of their own."""
    for cell in cells:
        yield cell
        for number in range(2, times + 1 if cell.cell_type == "code" else 2):
            again = copy.deepcopy(cell)
            again.id = f"{cell.id}-{number}"
            yield again


def _replace(notebook: nbformat.NotebookNode, replace: Mapping[str, str], path: Path) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for old, new in replace.items():
        if not any(old in cell.source for cell in code):
            raise ValueError(f"{path} has no code cell with {old!r}, to be replaced by {new!r}; correct one of the two")
        for cell in code:
            cell.source = cell.source.replace(old, new)
