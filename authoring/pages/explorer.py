# %% [markdown]
# # Explorer of saved runs
#
# Opens, in seconds, what [lecture 08](08_latent_spaces.ipynb) has trained and saved: the codes of 2,000 test digits in
# four latent spaces, each with its decoder. Choose the experiment above the plot. *Run, Run all cells*; or, as a page
# without code, `./course run voila lectures/explorer.ipynb`.

# %%
from IPython.display import Markdown

from helpers.data import digits
from helpers.latent.explorer import explore_run

data = digits.load()
RUN = "08_spaces_stand_in" if data.is_stand_in else "08_spaces"
TRAIN = "./course run jupyter execute lectures/08_latent_spaces.ipynb"

try:
    shown = explore_run(RUN, images=data.test.images[:2000], class_names=digits.CLASS_NAMES)
except (LookupError, OSError, ValueError) as error:  # none is saved, or one that is not whole
    shown = Markdown(
        f"Run `{RUN}` cannot be opened: {error} Lecture 08 saves it, in a minute or two: run it, or type `{TRAIN}`."
    )
shown
