"""Programs of a pretend Slurm. Used by conftest and test_arrays."""

from collections.abc import Mapping
from pathlib import Path

# An sbatch that puts each element of an array into the file `queue`, as squeue tells it; while there is a file `block`
# it waits, and then refuses, as it does where there is a file `refuse`.
SBATCH = r"""
for script in "$@"; do :; done
touch asked
while [ -e block ]; do sleep 0.02; done
if [ -e refuse ] || [ -e blocked ]; then touch refused; echo "error: refused" >&2; exit 1; fi
number=$(($(cat number 2>/dev/null || echo 40) + 1))
echo $number >number
name=$(sed -n 's/^#SBATCH --job-name=\([^ ]*\).*/\1/p' "$script")
array=$(sed -n 's/^#SBATCH --array=\([^% ]*\).*/\1/p' "$script")
for part in $(echo "${array:-N/A}" | tr , ' '); do
    case $part in *-*) part=$(seq "${part%-*}" "${part#*-}") ;; esac
    for index in $part; do echo "$number|$index|PENDING||1:00:00|Priority|$name|$script" >>queue; done
done
echo $number
"""


def write_programs(folder: Path, programs: Mapping[str, str]) -> None:
    """Write programs of the shell into `bin`, which work in the folder above it."""
    for name, code in programs.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\ncd {folder}\n{code}\n")
        (folder / "bin" / name).chmod(0o755)
