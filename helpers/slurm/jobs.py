"""The jobs of a run: an array that trains its experiments, and a job that gathers the results. Shown in lecture 13."""

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers.experiments.run_file import Run, array_string
from helpers.experiments.validation import place_in
from helpers.slurm import client
from helpers.slurm.scripts import (
    check_environment,
    environment,
    log_option,
    resources,
    script,
    seconds_of,
    write_script,
)
from helpers.slurm.sites import ClusterError, Request, Site, merge

_LONGEST = 100  # letters of a label; a file system admits 255 in a name
WARNING = 120  # seconds before the time limit at which training hears of it; a quarter of a short time

_STAGING = """\
# Copy the data to the disk of this node.
data=$({course} data stage {stage}) || exit
"""
_STAGING_EVERYWHERE = """\
# Copy the data to the disk of every node; the second line finds them on this one, and says where.
{srun}{course} data stage {stage} >/dev/null || exit
data=$({course} data stage {stage}) || exit
"""
_TRAINING = """\
# Train one experiment, in the background: so this script hears Slurm's signal and hands it on. Training then ends with
# status 75: not finished; all that it needs to go on is on the disk.
{srun}{course} train {run} --index "$SLURM_ARRAY_TASK_ID"{data} &
training=$!
trap 'told=yes; kill -USR1 $training' USR1
wait $training
status=$?
if [ $status -gt 128 ]; then wait $training; status=$?; fi # the signal ended the first wait, not the training
trap '' USR1

# Back into the queue under the same number; the next attempt goes on where this one stopped. After the signal any
# status above 1 (an error) will do: Python may have been starting, or one of several workers been faster than others.
if [ $status = 75 ] || {{ [ "${{told:-no}}" = yes ] && [ $status -gt 1 ]; }}; then
    if [ "${{SLURM_RESTART_COUNT:-0}}" -lt 50 ]; then
        scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID" && sleep 60 # Slurm ends this attempt
    fi
    echo "Not finished, and not in the queue again: submit the run once more, with --missing."
fi
exit $status
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
    """

    path: Path
    run: Run
    request: Request
    site: Site
    overrides: Sequence[str] = ()

    @property
    def label(self) -> str:
        """What the jobs are called; see `label_of`."""
        return label_of(self.run, self.overrides)

    @property
    def folder(self) -> Path:
        """Where scripts and logs are: `jobs/LABEL` beside the run file."""
        return job_folder(self.path, self.label)

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
        return self._script(options, *([staging] if self.request.stage else []), _TRAINING)

    def results(self) -> str:
        """Write the script that gathers the results once the array has ended."""
        options = {
            f"--job-name={results_name(self.label)}": "",
            log_option(self.folder, "%j_results.log"): "%j is the job",
            **resources(replace(self.request, **_LEAN, qos=self.request.qos * (not self.request.gpus)), self.site),
        }
        return self._script(options, _RESULTS)

    def to_submit(self, queue: Sequence[client.Queued], *, only_missing: bool = False) -> list[int]:
        """Choose the experiments to submit; none that is queued, for two jobs would train the same.

        Args:
            queue: our jobs of this label that train experiments.
            only_missing: leave out what has finished or is queued.

        Raises:
            ClusterError: experiments are queued, and not only the missing ones are wanted.
        """
        queued = {job.index for job in queue}
        if only_missing:
            return [index for index in self.run.missing() if index not in queued]
        if queued:
            raise ClusterError(
                f"experiments {array_string(queued)} of {self.label} are in the queue (job {queue[0].job}). Wait, "
                "cancel them, or submit the others: --missing."
            )
        return list(range(len(self.run.experiments)))

    def submit(self, indices: Sequence[int], report: Callable[[str], None] = print) -> None:
        """Submit the array, and behind it the job that gathers the results.

        Args:
            indices: which experiments.
            report: gets a line for what is in the queue, at once, should the second job be refused.

        Raises:
            ClusterError, RunError: what every job would find out after hours in the queue: no Slurm, no data to copy,
                an environment without GPUs, a parameter that nobody knows. Or Slurm refuses.
        """
        self._check()
        words = words_of(self.path, self.overrides)
        training = client.submit(write_script(self.folder / "train.sbatch", self.training(indices)))
        report(f"job {training}: experiments {array_string(indices)} of {self.label}")
        try:
            results = client.submit(write_script(self.folder / "results.sbatch", self.results()), after=training)
        except ClusterError as error:
            raise ClusterError(
                f"job {training} is in the queue all the same, but not the one that gathers its results: {error}\n"
                f"When job {training} has ended: ./course results {words}"
            ) from error
        report(f"job {results}: the results, once job {training} has ended")
        report(f"scripts and logs: {self.folder}")
        report(f"how far it is: ./course cluster status {words}")

    def _check(self) -> None:
        client.check_here()
        if self.request.stage and not Path(self.request.stage).is_dir():
            raise ClusterError(f"there is no folder {self.request.stage} to copy the data from; stage names it.")
        check_environment(self.request, self.site)
        from helpers.experiments.tasks import rehearse  # imports Keras: seconds, which a dry run should not take

        rehearse(self.run)

    def _script(self, options: dict[str, str], *blocks: str) -> str:
        words = {
            "course": self.site.course,
            "srun": self._srun(),
            "run": shlex.join([str(self.path.absolute()), *self.overrides]),
            "stage": shlex.quote(self.request.stage),
            "data": ' --data "$data"' if self.request.stage else "",
        }
        heading = (
            f"Written by `./course cluster submit {self.path.name}`. Change it as you like, and submit it by sbatch."
        )
        return script(heading, options, [environment(self.site), *(block.format(**words) for block in blocks)])

    def _srun(self) -> str:
        """Return what starts a worker on each node, and ends all when one dies, for which the others would wait."""
        if self.request.nodes == 1:
            return ""
        return f"srun --kill-on-bad-exit=1 --cpus-per-task={self.request.cores} "


def jobs_of(path: Path, run: Run, overrides: Sequence[str], asked: Mapping[str, object], site: Site) -> Jobs:
    """Return the jobs of a run, with what the site, the run file and the command line ask for, the last first.

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
    return Jobs(path, run, request, site, overrides)


def cancel(label: str, indices: Sequence[int]) -> list[int]:
    """Cancel jobs of a label; with the last experiment goes the job that gathers the results.

    Args:
        label: see `label_of`.
        indices: of the experiments; none stands for all.

    Returns:
        The indices of the experiments whose jobs were cancelled.
    """
    queue = client.queue(label)
    chosen = [job for job in queue if job.index in indices or not indices]
    behind = client.queue(results_name(label)) if chosen and len(chosen) == len(queue) else []
    if chosen:
        client.cancel([job.label for job in [*behind, *chosen]])
    return [job.index for job in chosen]


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


def job_folder(path: Path, label: str) -> Path:
    """Return where scripts and logs are: `jobs/LABEL` beside the run file."""
    return path.absolute().parent / "jobs" / label


def results_name(label: str) -> str:
    """Return what the job that gathers the results is called."""
    return f"{label}_results"
