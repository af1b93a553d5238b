"""Commands with verbs of their own: `./course data VERB` is `helpers/commands/data/VERB.py`."""
