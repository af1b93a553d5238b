"""The explorer over experiments on disk: a run, its experiments, chosen by their parameters. Used by lecture 08."""

import html
import json
from collections.abc import Sequence

import ipywidgets
import numpy as np

from helpers.experiments import Experiment, experiments_folder, load_experiments
from helpers.latent.explorer.points import Points, collect, to_bytes
from helpers.latent.explorer.widget import Explorer

ANY = "any"


class RunExplorer(ipywidgets.VBox):
    """Choices of run, parameters and experiment above an explorer. Made by `explore_run`.

    Attributes:
        experiment: the one that is shown.
        explorer: the `Explorer` with its codes.
        run_choice: dropdown of the runs on disk.
        parameter_choices: one dropdown for each parameter that differs between experiments of the run, by its name.
        experiment_choice: dropdown of the experiments that have the parameters chosen.
        message: what went wrong, if anything did.
    """

    def __init__(self, run: str, *, images: np.ndarray | None, class_names: Sequence[str] | None) -> None:
        # turned into bytes here, once: the page fetches images that stay the same only once
        self._images = None if images is None else to_bytes(np.asarray(images))
        self._class_names = class_names
        self._found = load_experiments(run)
        self.run_choice = _dropdown("run", _runs_on_disk(), run)
        self.experiment_choice = ipywidgets.Dropdown(description="experiment")
        self.experiment_choice.layout.width = "auto"
        self.parameter_choices: dict[str, ipywidgets.Dropdown] = {}
        self.message = ipywidgets.HTML()
        self._choices = ipywidgets.HBox(layout=ipywidgets.Layout(flex_flow="row wrap"))
        self.experiment = self._found[0]
        self.explorer = Explorer(self._points(self.experiment), decode=self.experiment.load("decoder"))
        self.experiment_choice.observe(self._change_experiment, "value")
        self._offer_parameters()
        self._offer_experiments()
        self.run_choice.observe(lambda _: self._change_run(), "value")
        super().__init__([self._choices, self.message, self.explorer])

    def _points(self, experiment: Experiment) -> Points:
        codes, labels = experiment.codes()
        return collect(codes, labels, self._images, self._class_names)

    def _change_run(self) -> None:
        self._found = load_experiments(self.run_choice.value)
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
            self.explorer.show(self._points(experiment), decode=experiment.load("decoder"))
        except (OSError, ValueError) as error:
            self._say(str(error))
        else:
            self.experiment = experiment
            self._say("")

    def _say(self, message: str) -> None:
        self.message.value = f'<span role="alert">{html.escape(message)}</span>' if message else ""


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
