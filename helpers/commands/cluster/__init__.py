"""`./course cluster VERB`: a new verb is a line in `VERBS` and a module; see `helpers.commands.verbs`.

A `ClusterError` or `RunError` becomes a message and exit status 1.
"""

import sys

from helpers.commands.verbs import parse

VERBS = {
    "submit": "write a script that trains RUN.toml as an array of jobs, and hand it to Slurm",
    "status": "tell which elements of a run have finished, run, wait or have stopped",
    "logs": "show what the elements of a run have written",
    "cancel": "end jobs of a run",
    "jupyter": "start JupyterLab on a compute node, and tell how to reach it",
    "practice": "start a Slurm on this machine, with a shell to try it in",
}


def main(arguments: list[str]) -> int:
    """Do the verb that `arguments` begin with; return the exit status."""
    options = parse(__name__, "Train on a cluster: the same runs, started by Slurm.", VERBS, arguments)
    from helpers.cluster.runs import RunError
    from helpers.cluster.sites import ClusterError

    try:
        return options.run(options)
    except (ClusterError, RunError, OSError) as error:
        print(f"course cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("course cluster: stopped.", file=sys.stderr)
        return 130
