"""A stand-in for the Chesapeake patches and the DFC2019 tiles: made-up land in exactly their formats.

**Datasheet.** Nothing here was photographed. Terrain, rivers, fields, roads and villages are drawn from a seed; colours
follow the class means, deviations and correlations that were measured on real patches (`channel_statistics.json`,
numbers only); class shares follow 2,241 tiles of Pennsylvania. Every folder that is written holds `STAND_IN.txt`,
and `is_stand_in` finds it. Figures measured on the stand-in say that a program works, not how well a method maps land.

- Patches (`make_patches`): npz, key `arr_0`, float32, (1, 29, 256, 256), 1 m a pixel: aerial images of two years (red,
  green, blue, near infrared, whole numbers 0 to 255), the label (1 water, 2 forest, 3 field, 4 barren, 5 built, 6
  road, 15 no data), NLCD codes, Landsat leaf-on and leaf-off (9 bands each, whole numbers and halves, in blocks of
  about 23 x 30 pixels), a building mask. Ten overlapping patches a tile, so that patches of one tile on both sides of
  a split leak as the real ones do.
- Tiles (`make_tiles`): RGB, MSI, AGL and CLS of made-up blocks of houses, as in DFC2019 Track 1.
- What it lacks: clouds, seams between images, mistakes of the people or programs that drew the labels, and change
  between the two years.
- Licence: that of the course. Formats and statistics: Robinson et al., CVPR 2019 (Chesapeake Land Cover).

`ensure` finds the real data or makes the stand-in. Used by lectures 10-12 and by the tests.
"""

from helpers.data.stand_in import is_stand_in
from helpers.data.synthetic.ensure import DataFolder, ensure
from helpers.data.synthetic.patches import draw_place, make_patches
from helpers.data.synthetic.tiles import make_tiles

__all__ = ["DataFolder", "draw_place", "ensure", "is_stand_in", "make_patches", "make_tiles"]
