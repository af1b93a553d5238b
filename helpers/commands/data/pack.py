"""`./course data pack`: a copy of patches that is read several times faster."""

import argparse
import sys

from helpers.data import packing


def run(options: argparse.Namespace) -> int:
    """Pack, and tell what was packed; exit status 1 if patches were left out."""
    summary = packing.pack(
        options.source,
        options.destination,
        compression="zstd" if options.zstd else None,
        on_error="skip" if options.skip_broken else "raise",
        workers=options.workers,
    )
    share = summary.packed_bytes / max(1, summary.source_bytes)
    print(
        f"{summary.patches:,} patches packed into {options.destination}: {summary.packed_bytes / 1e9:.2f} GB, "
        f"{share:.0%} of the originals. Every one was compared bit for bit.\n"
        "Give this folder in place of the original one; batches and their order stay the same."
    )
    if summary.done_before:
        print(f"{summary.done_before} shards were there already.")
    if summary.originals:
        print(f"{summary.originals} patches are of another kind than usual and went in as the .npz that they are.")
    for path, problem in summary.broken.items():
        print(f"left out: {path}: {problem}", file=sys.stderr)
    return 1 if summary.broken else 0
