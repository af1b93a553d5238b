"""`./course cluster VERB`: a new verb is a line in `VERBS` and a module; see `helpers.commands.verbs`.

A `ClusterError` becomes a message and exit status 1.
"""

import sys

from helpers.commands.verbs import parse

VERBS = {
    "practice": "start a Slurm on this machine, with a shell to try it in",
}


def main(arguments: list[str]) -> int:
    """Do the verb that `arguments` begin with; return the exit status."""
    options = parse(__name__, "Train on a cluster: the same runs, started by Slurm.", VERBS, arguments)
    from helpers.cluster.sites import ClusterError

    try:
        return options.run(options)
    except (ClusterError, OSError) as error:
        print(f"course cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("course cluster: stopped.", file=sys.stderr)
        return 130
