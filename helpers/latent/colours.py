"""Ten colours for classes that colour-blind readers tell apart. Used by `plots` and the explorer.

Figures give each class a mark as well: on a grey print some of the colours are alike.
"""

# Okabe and Ito (2008) without their yellow, which paper swallows, and three more that stay apart from all others for
# readers who see no red, no green or no blue.
COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000"),
    *("#56B4E9", "#E69F00", "#7800D8", "#603000", "#003060"),
)


def colour(label: int) -> str:
    """Return the colour of a class, "#rrggbb"; with more than ten classes they begin again."""
    return COLOURS[label % len(COLOURS)]
