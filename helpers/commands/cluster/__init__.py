"""What the verbs of `./course cluster` do: the verb VERB is the function `run` of the module VERB."""
