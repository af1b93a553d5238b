"""`./course data fetch NAME`: download what may be downloaded; for the rest say what a person must do."""

import argparse
import textwrap

from helpers.data import digits, fetch


def run(options: argparse.Namespace) -> int:
    """Bring a data set, unless it is here; return 1 if a person must.

    Raises:
        DataError: MNIST is here, and damaged.
        FetchError: downloads are forbidden, the network or the disk failed, or the SHA-256 is wrong.
    """
    card, name = fetch.registry()[options.name], options.name
    if folder := fetch.find(name):
        if card.arrays:
            digits.load(announce=False)  # says which file is damaged, and what to do
        print(f"{card.title}: here already, in {folder}.")
        return 0
    if card.url:
        print(f"{card.title}: whole and checked, {fetch.download(name)}.")
        return 0
    print(f"{card.title} ({card.size}, licence: {card.licence}) must be fetched by a person:\n")
    folder = fetch.data_folders()[0] / card.folder
    for number, step in enumerate(card.steps, start=1):
        print(_paragraph(f"{number}. ", step.format(folder=folder)))
    if made := fetch.find_stand_in(name):
        print(f"\nUntil then a stand-in is used, {made}.")
    elif card.stand_in:
        print(f"\nUntil then the lectures make a stand-in; ./course data make {name} makes one now.")
    return 1


def _paragraph(bullet: str, text: str) -> str:
    """Wrap text, line by line, behind a bullet; paths and commands stay in one piece."""
    wrap = textwrap.TextWrapper(97, break_long_words=False, break_on_hyphens=False)
    lines = [short for line in text.splitlines() for short in wrap.wrap(line)]
    return bullet + f"\n{' ' * len(bullet)}".join(lines)
