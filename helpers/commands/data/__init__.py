"""What the verbs of `./course data` do: the verb VERB is the function `run` of the module VERB."""
