"""Explorers for experiments on disk: one with the choices above it and the experiment's card below, or two of them."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
from IPython.core.pylabtools import print_figure

from helpers.experiments import Experiment, experiments_folder, load_experiments
from helpers.figures import curves
from helpers.latent.explorer.points import Points, collect, to_bytes
from helpers.latent.explorer.widget import Explorer

ANY = "any"


class RunExplorer(ipywidgets.VBox):
    """Choices of run, parameters and experiment above an explorer, the experiment's card below. Made by `explore_run`.

    Attributes:
        experiment: the one that is shown.
        explorer: the `Explorer` with its codes.
        run_choice: dropdown of the runs on disk.
        parameter_choices: one dropdown for each parameter that differs between experiments of the run, by its name.
        experiment_choice: dropdown of the experiments that have the parameters chosen.
        message: what went wrong, if anything did.
        card: the parameters of the experiment, and how its training went.
    """

    def __init__(
        self,
        run: str,
        *,
        images: np.ndarray | None,
        class_names: Sequence[str] | None,
        values: Mapping[str, np.ndarray] | None,
    ) -> None:
        self._images = None if images is None else to_bytes(np.asarray(images))
        self._class_names, self._values = class_names, values
        self._found = load_experiments(run)
        self.run_choice = _dropdown("run", _runs_on_disk(), run)
        self.experiment_choice = ipywidgets.Dropdown(description="experiment")
        self.experiment_choice.layout.width = "auto"
        self.parameter_choices: dict[str, ipywidgets.Dropdown] = {}
        self.message, self.card = ipywidgets.HTML(), ipywidgets.HTML()
        self._choices = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.experiment = self._found[0]
        self.explorer = Explorer(self._points(self.experiment), decode=self.experiment.load("decoder"))
        self.card.value = card(self.experiment)
        self.experiment_choice.observe(self._change_experiment, "value")
        self._offer_parameters()
        self._offer_experiments()
        self.run_choice.observe(lambda _: self._change_run(), "value")
        super().__init__([self._choices, self.message, self.explorer, self.card])

    def _points(self, experiment: Experiment) -> Points:
        codes, labels = experiment.codes()
        return collect(codes, labels, self._images, self._class_names, self._values)

    def _change_run(self) -> None:
        try:
            self._found = load_experiments(self.run_choice.value)
        except (LookupError, OSError, ValueError) as error:  # such as a folder that was removed meanwhile
            self._say(str(error))
            return
        self._offer_parameters()
        self._offer_experiments()

    def _offer_parameters(self) -> None:
        values = {key: _values(self._found, key) for key in sorted({key for e in self._found for key in e.parameters})}
        self.parameter_choices = {
            key: _dropdown(key, [ANY, *found], ANY) for key, found in values.items() if len(found) > 1
        }
        for choice in self.parameter_choices.values():
            choice.observe(lambda _: self._offer_experiments(), "value")
        self._choices.children = [self.run_choice, *self.parameter_choices.values(), self.experiment_choice]

    def _offer_experiments(self) -> None:
        """List the experiments with the chosen parameters; the one shown stays if it is among them."""
        chosen = {key: choice.value for key, choice in self.parameter_choices.items() if choice.value != ANY}
        fitting = [e for e in self._found if all(_said(e, key) == value for key, value in chosen.items())]
        self._say("" if fitting else "No experiment has all of these parameters. Set one of them back to any.")
        if not fitting:
            return
        self.experiment_choice.unobserve(self._change_experiment, "value")  # or the first is loaded on the way
        self.experiment_choice.options = [(e.name, e) for e in fitting]
        self.experiment_choice.value = self.experiment if self.experiment in fitting else fitting[0]
        self.experiment_choice.observe(self._change_experiment, "value")
        self._change_experiment()

    def _change_experiment(self, _: object = None) -> None:
        experiment = self.experiment_choice.value
        if experiment == self.experiment:
            self._say("")
            return
        try:
            written = card(experiment)
            self.explorer.show(self._points(experiment), decode=experiment.load("decoder"))
        except Exception as error:  # whatever a damaged file raises; nobody sees what is raised here
            self._say(f"{experiment.run}, {experiment.name} cannot be shown: {error}")
        else:
            self.experiment, self.card.value = experiment, written
            self._say("")

    def _say(self, message: str) -> None:
        self.message.value = f'<span role="alert">{html.escape(message)}</span>' if message else ""


class RunPair(ipywidgets.Box):
    """Two runs side by side; what is chosen in one is chosen in the other. Made by `compare_runs`.

    Attributes:
        left, right: the `RunExplorer` of each.
    """

    def __init__(self, left: RunExplorer, right: RunExplorer) -> None:
        self.left, self.right = left, right
        for one, other in ((left.explorer, right.explorer), (right.explorer, left.explorer)):
            one.observe(lambda change, other=other: _follow(other, change["owner"]), "selected")
        for side in (left, right):
            side.layout = ipywidgets.Layout(flex="1 1 420px", min_width="0")
        super().__init__([left, right], layout=ipywidgets.Layout(flex_flow="row wrap"))


def _follow(explorer: Explorer, leader: Explorer) -> None:
    """Choose in one explorer what is chosen in the other, if both show the same number of points."""
    if explorer.count == leader.count and not np.array_equal(explorer.selected, leader.selected):
        explorer.choose(leader.selected)


def card(experiment: Experiment) -> str:
    """Write what an experiment is and how its training went as HTML: parameters, last numbers, curve of the loss."""
    history = {key: numbers for key, numbers in experiment.history().items() if numbers}
    known = [*experiment.parameters.items(), *((f"{key} in the end", numbers[-1]) for key, numbers in history.items())]
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left; padding-right:1em">{html.escape(str(key))}</th>'
        f"<td>{html.escape(_written(value))}</td></tr>"
        for key, value in known
    )
    picture = _learning_curve({key: numbers for key, numbers in history.items() if key in ("loss", "val_loss")})
    return (
        f"<details open><summary>{html.escape(experiment.run)}: {html.escape(experiment.name)}</summary>"
        f'<div style="display:flex; flex-wrap:wrap; gap:8px 28px; line-height:1.4">'
        f"<table>{rows}</table>{picture}</div></details>"
    )


def _learning_curve(losses: Mapping[str, Sequence[float]]) -> str:
    """Draw losses over epochs, as HTML; nothing where there is one epoch only."""
    drawn = {name: numbers for name, numbers in losses.items() if len(numbers) > 1}
    if not drawn:
        return ""
    spoken = ", ".join(f"{name} from {_written(n[0])} to {_written(n[-1])}" for name, n in drawn.items())
    picture = print_figure(curves(drawn), base64=True)
    alt = f"Learning curve of {max(map(len, drawn.values()))} epochs: {spoken}."
    return f'<img src="data:image/png;base64,{picture}" alt="{html.escape(alt)}" style="width:420px; max-width:100%">'


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)


def _runs_on_disk() -> list[str]:
    """List the runs that hold an experiment."""
    return sorted({path.parent.parent.name for path in experiments_folder().glob("*/[!.]*/parameters.json")})


def _said(experiment: Experiment, key: str) -> str:
    """Write a parameter as it is read in a dropdown; an experiment that does not have it says so."""
    value = experiment.parameters.get(key, "not set")
    return value if isinstance(value, str) else json.dumps(value)


def _values(experiments: Sequence[Experiment], key: str) -> list[str]:
    """List the values of a parameter, each once: numbers by size, then all else by its letters."""
    values = {_said(e, key): e.parameters.get(key) for e in experiments}
    numbers = {said: value for said, value in values.items() if isinstance(value, int | float)}
    return [*sorted(numbers, key=numbers.__getitem__), *sorted(values.keys() - numbers.keys())]


def _dropdown(description: str, options: Sequence[str], value: str) -> ipywidgets.Dropdown:
    choice = ipywidgets.Dropdown(description=description, options=options, value=value)
    choice.style.description_width = "initial"
    choice.layout.width = "auto"
    return choice


def explore_run(
    run: str,
    *,
    images: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
) -> RunExplorer:
    """Make an explorer for the experiments of a run, chosen by the parameters in which they differ.

    Args:
        run: the name under which the experiments were saved, each with its codes and labels.
        images: the images whose codes were saved, as in `explore`.
        class_names: one name per class. Default: 0, 1, 2, ...
        values: numbers to colour by, as in `explore`.

    Returns:
        A widget: dropdowns for run, parameters and experiment, an `explorer` with the decoder of the one chosen, and a
        card with its parameters and the curve of its loss.

    Raises:
        LookupError: there is no such run. The message says which there are.
        FileNotFoundError: an experiment was saved without codes.
        ValueError: the images are not those whose codes were saved.
    """
    return RunExplorer(run, images=images, class_names=class_names, values=values)


def compare_runs(
    left: str,
    right: str,
    *,
    images: np.ndarray | None = None,
    class_names: Sequence[str] | None = None,
    values: Mapping[str, np.ndarray] | None = None,
) -> RunPair:
    """Make two explorers side by side, for two runs or for two experiments of one run.

    Points that are brushed in one are chosen in the other, where both have codes of the same images.

    Args:
        left, right: the names of the runs; may be the same.
        images, class_names, values: as in `explore_run`, for both.

    Returns:
        A widget; `left` and `right` are as `explore_run` makes them.

    Raises:
        LookupError, FileNotFoundError, ValueError: as `explore_run`, for either run.
    """
    options: dict[str, Any] = {"images": images, "class_names": class_names, "values": values}
    return RunPair(explore_run(left, **options), explore_run(right, **options))
