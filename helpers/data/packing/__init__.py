"""Copies of patches that are read faster: packed for reading over and over, staged on a local disk. Used by lecture 13.

`pack` writes the patches of a folder into shards (`*.pack`), about half an hour for the 32 GB of Pennsylvania on two
cores. All that reads a folder of patches reads its packed copy in the same way and gets the same batches in the same
order, bit for bit (`helpers.data.chesapeake.packed` says why). `stage` copies them, packed or not, to the disk of
the machine that computes.

Both can be killed at any time and go on where they were; a file appears when it is whole.
"""

from helpers.data.packing.packer import Summary, pack
from helpers.data.packing.staging import scratch_folder, stage

__all__ = ["Summary", "pack", "scratch_folder", "stage"]
