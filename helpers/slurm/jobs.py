"""The jobs of a run: an array that trains its experiments, and a job that gathers the results. Shown in lecture 13."""

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from helpers.experiments import experiments_folder
from helpers.experiments.run_file import Run, array_string, read_run
from helpers.experiments.validation import place_in
from helpers.slurm import client, submissions
from helpers.slurm.scripts import (
    check_environment,
    environment,
    log_option,
    resources,
    script,
    seconds_of,
)
from helpers.slurm.sites import ClusterError, Request, Site, merge
from helpers.slurm.submissions import RESULTS, TRAINING, Submission, job_folder, results_name

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
step {srun}{course} train {run} --index "$SLURM_ARRAY_TASK_ID"{data} || leave $?
"""
# What the job that gathers the results asks for: any node will do, and a QOS for GPUs will not.
_LEAN: dict[str, Any] = {"time": "00:30:00", "cores": 1, "gpus": 0, "nodes": 1, "constraint": ""}
_RESULTS = """\
# The array has ended. Experiments that failed are named, not waited for.
{course} results {run}
echo "missing: $({course} train {run} --missing)"
"""


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
    """

    path: Path
    run: Run
    request: Request
    site: Site
    overrides: Sequence[str] = ()
    number: int = 1

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

    def training(self, indices: Iterable[int]) -> str:
        """Write the script that trains experiments as an array; one that runs out of time goes on in a next attempt.

        Args:
            indices: which experiments.

        Raises:
            ClusterError: the time is not written as Slurm wants it.
        """
        warning = min(WARNING, seconds_of(self.request.time) // 4)
        options = {
            f"--job-name={self.label}": "",
            f"--array={array_string(indices)}%{self.request.at_once}": "experiments % how many at the same time",
            log_option(self.folder, "%A_%a.log"): "%A is the job, %a the experiment",
            "--open-mode=append": "a next attempt goes on in the same log",
            **resources(self.request, self.site),
            f"--signal=B:USR1@{warning}": "so many seconds before the time is up, this script is told",
            "--requeue": "if the node fails, a next attempt",
            **({f"--dependency={shlex.quote(self.request.dependency)}": ""} if self.request.dependency else {}),
        }
        staging = _STAGING if self.request.nodes == 1 else _STAGING_EVERYWHERE
        steps = [staging, _TRAINING] if self.request.stage else [_TRAINING]
        return self._script(options, *steps, before=[_SIGNAL])

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
        self._check()
        submission = self._freeze(indices)
        try:
            training = client.submit(self.folder / TRAINING)
        except client.RefusedError:
            shutil.rmtree(self.folder)
            raise
        submission = submission.numbered("training", training)
        report(f"job {training}: experiments {array_string(indices)} of {self.label}")
        try:
            results = client.submit(self.folder / RESULTS, after=training)
        except ClusterError as error:
            raise ClusterError(
                f"job {training} is in the queue all the same, but not the one that gathers its results: {error}\n"
                f"When job {training} has ended: ./course results {words_of(self.frozen, self.overrides)}"
            ) from error
        submission.numbered("results", results)
        report(f"job {results}: the results, once job {training} has ended")
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
            code=submissions.code_now(),
            time=submissions.now(),
            experiments_folder=str((experiments_folder() / self.run.name).absolute()),
        )
        submissions.write(submission, {TRAINING: self.training(indices), RESULTS: self.results()})
        if read_run(self.frozen, self.overrides).experiments != self.run.experiments:
            shutil.rmtree(self.folder)
            raise ClusterError(f"{self.path} was edited while it was being submitted. Nothing is queued: submit again.")
        return submission

    def _check(self) -> None:
        client.check_here()
        if self.request.stage and not Path(self.request.stage).is_dir():
            raise ClusterError(f"there is no folder {self.request.stage} to copy the data from; stage names it.")
        check_environment(self.request, self.site)
        from helpers.experiments.tasks import rehearse  # imports Keras: seconds, which a dry run should not take

        rehearse(self.run)

    def _script(self, options: dict[str, str], *steps: str, before: Sequence[str] = ()) -> str:
        """Put a script together: what comes before the set-up, the set-up, steps."""
        words = {
            "course": self.site.course,
            "srun": self._srun(),
            "run": words_of(self.frozen, self.overrides),
            "stage": shlex.quote(self.request.stage),
            "data": ' --data "$data"' if self.request.stage else "",
        }
        heading = (
            f"Written by `./course cluster submit {self.path.name}`. Change it as you like, and submit it by sbatch."
        )
        first, then = ([block.format(**words) for block in blocks] for blocks in (before, steps))
        return script(heading, options, [*first, environment(self.site), *then])

    def _srun(self) -> str:
        """Return what starts a worker on each node, and ends all when one dies, for which the others would wait."""
        if self.request.nodes == 1:
            return ""
        return f"srun --kill-on-bad-exit=1 --cpus-per-task={self.request.cores} "


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
    request = merge(site.request, run.cluster, lambda key: place_in(path, f"cluster.{key}"))
    request = merge(request, asked)
    if request.stage:  # written out, for the job begins in another folder
        request = replace(request, stage=str(Path(os.path.expandvars(request.stage)).expanduser().absolute()))
    number = submissions.next_number(job_folder(path, label_of(run, overrides)))
    return Jobs(path, run, request, site, overrides, number)


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
            number, index = (0, place) if place is not None else (submission.number, job.index)
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
