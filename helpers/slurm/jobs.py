"""The jobs of a run: an array that trains its experiments, and a job that gathers the results. Shown in lecture 13."""

import hashlib
import re
import shlex
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from helpers.errors import nearest
from helpers.experiments import experiments_folder, rehearsal, short
from helpers.experiments.run_file import Run, array_string, home_of, read_run
from helpers.experiments.validation import place_in
from helpers.slurm import client, submissions
from helpers.slurm.sites import (
    ClusterError,
    Request,
    Site,
    check_environment,
    environment,
    log_option,
    merge,
    resources,
    script,
    seconds_of,
    with_stage,
)
from helpers.slurm.submissions import RESULTS, TRAINING, Submission, job_folder, results_name

WHEN = "when"  # in [cluster]: what jobs of some experiments ask for
_LONGEST = 100  # letters of a label; a file system admits 255 in a name
WARNING = 120  # seconds before the time limit at which training hears of it; a quarter of a short time

_SIGNAL = """\
# From here on this script hears Slurm's signal that the time is nearly up. Bash hears nothing while it waits for a
# command in the foreground; so each step runs in the background, gets the signal too, and no step begins after it.
told=no step=
trap 'told=yes; [ -z "$step" ] || kill -USR1 $step' USR1
step() {{
    [ $told = no ] || return 75 # not finished
    "$@" &
    step=$!
    [ $told = no ] || kill -USR1 $step # it came in between
    wait $step
    status=$?
    if [ $status -gt 128 ]; then wait $step; status=$?; fi # the signal ended the first wait, not the step
    step=
    return $status
}}

# Back into the queue under the same number; the next attempt goes on where this one stopped. A training that the signal
# ended has status 75. After the signal any status above 1 (an error) will do: Python may have been starting, or one of
# several workers been faster than others.
leave() {{
    if [ $1 = 75 ] || {{ [ $told = yes ] && [ $1 -gt 1 ]; }}; then
        if [ "${{SLURM_RESTART_COUNT:-0}}" -lt 50 ] &&
            scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"; then
            sleep 60 # Slurm ends this attempt
        else
            echo "Not finished, and not in the queue again: submit the run once more, with --missing."
        fi
    fi
    exit $1
}}
"""
_STAGING = """\
# Copy the data to the disk of this node.
where=$(mktemp)
step {course} data stage {stage} >"$where" || leave $?
data=$(cat "$where" && rm "$where")
"""
_STAGING_EVERYWHERE = """\
# Copy the data to the disk of every node; the last step finds them on this one, and says where.
where=$(mktemp)
step {srun}{course} data stage {stage} >/dev/null || leave $?
step {course} data stage {stage} >"$where" || leave $?
data=$(cat "$where" && rm "$where")
"""
_TRAINING = """\
# Train one experiment, from the run file as it was submitted. What a next attempt needs to go on is on the disk.
step {srun}{course} train {run} --index "{index}"{data} || leave $?
"""
# What the job that gathers the results asks for: any node will do, and a QOS for GPUs will not.
_LEAN: dict[str, Any] = {"time": "00:30:00", "cores": 1, "gpus": 0, "nodes": 1, "constraint": ""}
_RESULTS = """\
# The array has ended. Experiments that failed are named, not waited for.
{course} results {run}
echo "missing: $({course} train {run} --missing)"
"""


@dataclass(frozen=True)
class Array:
    """Experiments that one array of jobs trains.

    Args:
        suffix: behind "train" in the name of its script: "" for the first one, "+1000", "-1" or "-1+1000".
        request: what each of its jobs asks for.
        indices: of the experiments.
        offset: index of the experiment that is element 0.
        behind: suffix of the array that must have ended first, for together they may run `at_once` jobs; or None.
    """

    suffix: str
    request: Request
    indices: Sequence[int]
    offset: int = 0
    behind: str | None = None


@dataclass(frozen=True)
class Jobs:
    """The jobs of a run, and what is written for them.

    Args:
        path: the run file.
        run: what it says.
        request: what each job asks for.
        site: the cluster.
        overrides: of parameters, as `course train` takes them.
        number: of the submission, among those of this run.
        special: what the jobs of some experiments ask for instead, by index.
        array_size: how many elements an array may have; None for any number.
    """

    path: Path
    run: Run
    request: Request
    site: Site
    overrides: Sequence[str] = ()
    number: int = 1
    special: Mapping[int, Request] = field(default_factory=dict)
    array_size: int | None = None

    @property
    def label(self) -> str:
        """What the jobs are called; see `label_of`."""
        return label_of(self.run, self.overrides)

    @property
    def folder(self) -> Path:
        """Where the run file is kept as it was submitted, with scripts and logs: `jobs/LABEL/N` beside the run file."""
        return job_folder(self.path, self.label) / str(self.number)

    @property
    def frozen(self) -> Path:
        """The run file that jobs train from: a copy, which stays as it is."""
        return self.folder / self.path.name

    def arrays(self, indices: Iterable[int]) -> list[Array]:
        """Divide experiments among arrays: by what their jobs ask for, and by how many the cluster admits in one."""
        of_request: dict[Request, list[int]] = {}
        for index in sorted(indices):
            of_request.setdefault(self.special.get(index, self.request), []).append(index)
        found = []
        for number, (request, members) in enumerate(of_request.items()):
            behind = None
            for offset in sorted({index - index % self.array_size if self.array_size else 0 for index in members}):
                suffix = f"-{number}" * (number > 0) + f"+{offset}" * (offset > 0)
                inside = [index for index in members if not self.array_size or 0 <= index - offset < self.array_size]
                found.append(Array(suffix, request, inside, offset, behind))
                behind = suffix
        return found

    def training(self, indices: Iterable[int]) -> str:
        """Write the scripts that train experiments, one behind the other; usually it is one.

        Raises:
            ClusterError: see `array_script`.
        """
        return "\n".join(map(self.array_script, self.arrays(indices)))

    def array_script(self, array: Array) -> str:
        """Write the script of an array; an experiment that runs out of time goes on in a next attempt.

        Raises:
            ClusterError: the time is not written as Slurm wants it.
        """
        request, offset = array.request, array.offset
        warning = min(WARNING, seconds_of(request.time) // 4)
        elements = array_string(index - offset for index in array.indices)
        options = {
            f"--job-name={self.label}": "",
            f"--array={elements}%{request.at_once}": "experiments % how many at the same time",
            log_option(self.folder, f"%A_%a{f'+{offset}' if offset else ''}.log"): "%A is the job, %a the experiment",
            "--open-mode=append": "a next attempt goes on in the same log",
            **resources(request, self.site),
            f"--signal=B:USR1@{warning}": "so many seconds before the time is up, this script is told",
            "--requeue": "if the node fails, a next attempt",
            **({f"--dependency={shlex.quote(request.dependency)}": ""} if request.dependency else {}),
        }
        staging = _STAGING if request.nodes == 1 else _STAGING_EVERYWHERE
        steps = [staging, _TRAINING] if request.stage else [_TRAINING]
        index = f"$((SLURM_ARRAY_TASK_ID + {offset}))" if offset else "$SLURM_ARRAY_TASK_ID"
        return self._script(options, *steps, before=[_SIGNAL], request=request, index=index)

    def results(self) -> str:
        """Write the script that gathers the results once the array has ended."""
        options = {
            f"--job-name={results_name(self.label)}": "",
            log_option(self.folder, "%j_results.log"): "%j is the job",
            **resources(replace(self.request, **_LEAN, qos=self.request.qos * (not self.request.gpus)), self.site),
        }
        return self._script(options, _RESULTS)

    def to_submit(self, queued: Mapping[int, client.Queued], wanted: Collection[int] | None = None) -> list[int]:
        """Choose the experiments to submit; none that is queued, for two jobs would train the same.

        Args:
            queued: our jobs that train experiments of this run, by index.
            wanted: the experiments; None stands for all.

        Raises:
            ClusterError: some of them are queued.
        """
        chosen = sorted(range(len(self.run.experiments)) if wanted is None else wanted)
        if there := [index for index in chosen if index in queued]:
            raise ClusterError(
                f"experiments {array_string(there)} of {self.label} are in the queue (job {queued[there[0]].job}). "
                "Wait, cancel them, or submit the others: --missing."
            )
        return chosen

    def submit(self, indices: Sequence[int], report: Callable[[str], None] = print) -> None:
        """Freeze the run, submit the array, and behind it the job that gathers the results.

        Args:
            indices: which experiments.
            report: gets a line for what is in the queue, at once, should the second job be refused.

        Raises:
            ClusterError, RunError: what every job would find out after hours in the queue: no Slurm, no data to copy,
                an environment without GPUs, a parameter that nobody knows. Or Slurm refuses.
        """
        self._check(indices)
        submission = self._freeze(indices)
        numbers: dict[str, int] = {}
        taken: list[int] = []
        for array in self.arrays(indices):
            behind = [] if array.behind is None else [numbers[array.behind]]
            script = self.folder / f"{TRAINING}{array.suffix}.sbatch"
            try:
                number = client.submit(script, after=behind, dependency=array.request.dependency)
            except client.RefusedError as error:
                if not numbers:
                    shutil.rmtree(self.folder)
                    raise
                raise ClusterError(
                    f"{error}\n{_jobs(numbers)} in the queue all the same, without the experiments from "
                    f"{array.indices[0]} on. Submit those later: --missing"
                ) from error
            numbers[array.suffix] = number
            taken += array.indices
            submission = replace(submission, indices=sorted(taken)).numbered(f"training{array.suffix}", number)
            report(f"job {number}: experiments {array_string(array.indices)} of {self.label}")
        ended = f"once job {', '.join(map(str, numbers.values()))} has ended"
        try:
            results = client.submit(self.folder / RESULTS, after=[*numbers.values()])
        except ClusterError as error:
            raise ClusterError(
                f"{_jobs(numbers)} in the queue all the same, but not the one that gathers the results: {error}\n"
                f"{ended.capitalize()}: ./course results {words_of(self.frozen, self.overrides)}"
            ) from error
        submission.numbered("results", results)
        report(f"job {results}: the results, {ended}")
        report(f"what was submitted, scripts and logs: {self.folder}")
        report(f"how far it is: ./course cluster status {words_of(self.path, self.overrides)}")

    def _freeze(self, indices: Sequence[int]) -> Submission:
        """Write what is submitted, as it is now."""
        submission = Submission(
            self.folder,
            self.path.absolute(),
            self.label,
            self.overrides,
            self.run,
            indices,
            asked=asdict(self.request),
            special={str(index): asdict(request) for index, request in self.special.items()},
            code=submissions.code_now(),
            time=submissions.now(),
            experiments_folder=str((experiments_folder() / self.run.name).absolute()),
        )
        scripts = {f"{TRAINING}{each.suffix}.sbatch": self.array_script(each) for each in self.arrays(indices)}
        submissions.write(submission, {**scripts, RESULTS: self.results()})
        if read_run(self.frozen, self.overrides).experiments != self.run.experiments:
            shutil.rmtree(self.folder)
            raise ClusterError(f"{self.path} was edited while it was being submitted. Nothing is queued: submit again.")
        return submission

    def _check(self, indices: Sequence[int]) -> None:
        client.check_here()
        for request in dict.fromkeys(array.request for array in self.arrays(indices)):
            if request.stage and not Path(request.stage).is_dir():
                raise ClusterError(f"there is no folder {request.stage} to copy the data from; stage names it.")
            check_environment(request, self.site)
            client.check_fits(request, self.site)
        rehearsal.rehearse(self.run)

    def _script(
        self,
        options: dict[str, str],
        *steps: str,
        before: Sequence[str] = (),
        request: Request | None = None,
        index: str = "",
    ) -> str:
        """Put a script together: what comes before the set-up, the set-up, steps."""
        request = request or self.request
        words = {
            "course": self.site.course,
            "srun": _srun(request),
            "run": words_of(self.frozen, self.overrides),
            "index": index,
            "stage": shlex.quote(request.stage),
            "data": ' --data "$data"' if request.stage else "",
        }
        heading = (
            f"Written by `./course cluster submit {self.path.name}`. Change it as you like, and submit it by sbatch."
        )
        first, then = ([block.format(**words) for block in blocks] for blocks in (before, steps))
        return script(heading, options, [*first, environment(self.site), *then])


def _srun(request: Request) -> str:
    """Return what starts a worker on each node, and ends all when one dies, for which the others would wait."""
    return "" if request.nodes == 1 else f"srun --kill-on-bad-exit=1 --cpus-per-task={request.cores} "


def _jobs(numbers: Mapping[str, int]) -> str:
    return f"job {', '.join(map(str, numbers.values()))} {'is' if len(numbers) == 1 else 'are'}"


def jobs_of(path: Path, run: Run, overrides: Sequence[str], asked: Mapping[str, object], site: Site) -> Jobs:
    """Return the jobs of the next submission of a run, with what the site, its file and the command line ask for.

    Of what several ask for, the last one counts.

    Args:
        path: the run file.
        run: as read with the overrides.
        overrides: in the order in which they were given.
        asked: on the command line, by the fields of `Request`.
        site: the cluster.

    Raises:
        ClusterError: [cluster] or an option asks for what there is not.
    """
    table = {key: value for key, value in run.cluster.items() if key != WHEN}
    of_run = merge(site.request, table, lambda key: place_in(path, f"cluster.{key}"))

    def last_words(request: Request) -> Request:
        """Lay over what the command line asks for; a folder is seen from where it was said, the run file or here."""
        return with_stage(merge(with_stage(request, home_of(path)), asked), Path.cwd())

    special = {index: last_words(request) for index, request in _special(path, run, of_run).items()}
    number = submissions.next_number(job_folder(path, label_of(run, overrides)))
    size = client.array_size() if client.is_here() else None
    return Jobs(path, run, last_words(of_run), site, overrides, number, special, size)


def _special(path: Path, run: Run, request: Request) -> dict[int, Request]:
    """Return what [cluster.when.PARAMETER.VALUE] asks for, by the index of the experiments that have that value.

    Raises:
        ClusterError: no experiment has it, or it asks for what there is not.
    """
    found: dict[int, Request] = {}
    when = run.cluster.get(WHEN, {})
    known = {name: {short(each.parameters[name]) for each in run.experiments} for name in run.experiments[0].parameters}
    for name, of_value in when.items() if isinstance(when, Mapping) else [(WHEN, None)]:
        where = place_in(path, f"cluster.when.{name}")
        if name not in known or not isinstance(of_value, Mapping):
            raise ClusterError(
                f"{where}: [cluster.when.PARAMETER.VALUE] asks for something else for some experiments; {name!r} is no "
                f"parameter of this run.{nearest(name, known)} There are: {', '.join(sorted(known))}."
            )
        for value, settings in of_value.items():
            place = place_in(path, f"cluster.when.{name}.{value}")
            if (dotted := _dotted(value, settings)) != value:
                raise ClusterError(
                    f"{place_in(path, f'cluster.when.{name}.{dotted}')}: a dot divides names in TOML. Put a value that "
                    f'has one into quotes: [cluster.when.{name}."{dotted}"].'
                )
            if value not in known[name] or not isinstance(settings, Mapping):
                raise ClusterError(
                    f"{place}: no experiment has {name} = {value}.{nearest(value, known[name])} As folders are named, "
                    f"there are: {', '.join(sorted(known[name]))}."
                )
            for index, each in enumerate(run.experiments):
                if short(each.parameters[name]) == value:
                    found[index] = merge(found.get(index, request), settings, partial(_at, place))
    return found


def _dotted(value: str, settings: Any) -> str:
    """Return the value as it was meant: without quotes 0.001 is a table "001" in a table "0"."""
    tables = settings.items() if isinstance(settings, Mapping) else ()
    return next((_dotted(f"{value}.{key}", each) for key, each in tables if isinstance(each, Mapping)), value)


def _at(place: str, key: str) -> str:
    return place


def cancel(found: Sequence[Submission], indices: Collection[int]) -> dict[int, list[int]]:
    """Cancel jobs; with the last experiment of a submission goes the job that gathers its results.

    Args:
        found: the submissions of a run file, the oldest first.
        indices: of the experiments of the latest; none stands for all that was submitted.

    Returns:
        The indices of the experiments whose jobs were cancelled, under 0 those of the latest submission; those that
        only an earlier one has, under its number.
    """
    queue = client.queue()
    run = submissions.latest(found, queue).run
    of_run = {(job.job, job.index): index for index, job in submissions.queued_of(run, found, queue).items()}
    cancelled: dict[int, list[int]] = {}
    labels = []
    for submission in found:
        theirs = [job for job in queue if submission.has(job)]
        training = [job for job in theirs if job.index >= 0]
        chosen = [job for job in training if not indices or of_run.get((job.job, job.index)) in indices]
        for job in chosen:
            place = of_run.get((job.job, job.index))
            number, index = (0, place) if place is not None else (submission.number, submission.index_of(job))
            cancelled.setdefault(number, []).append(index)
        if chosen and len(chosen) == len(training):  # the results first: they would begin when the last job has gone
            chosen = [*(job for job in theirs if job.index < 0), *chosen]
        labels += [job.label for job in chosen]
    if labels:
        client.cancel(labels)
    return cancelled


def words_of(path: Path, overrides: Sequence[str]) -> str:
    """Write a run and its overrides as a shell takes them."""
    return shlex.join([str(path), *overrides])


def label_of(run: Run, overrides: Sequence[str]) -> str:
    """Return what jobs, logs and results go by: a run with other overrides has other experiments under its indices.

    Args:
        run: as read with the overrides.
        overrides: in the order in which they were submitted.

    Returns:
        The run's name and the overrides, in letters that file names, Slurm's job names and its `%` patterns admit.

    >>> label_of(Run("land_cover", []), ["skips=false", "filters = [8, 16]"])
    'land_cover+skips=false+filters=_8_16_'
    """
    label = "+".join([run.name, *("".join(override.split()) for override in overrides)])
    label = re.sub(r"[^\w.+=-]", "_", label)
    return label if len(label) <= _LONGEST else f"{label[:_LONGEST]}+{hashlib.sha256(label.encode()).hexdigest()[:8]}"
