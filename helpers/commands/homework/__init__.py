"""What the verbs of `./course homework` do: the verb VERB is the function `run` of the module VERB."""
