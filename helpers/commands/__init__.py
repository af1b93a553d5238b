"""What the verbs of `./course` do. Their names, arguments and help are in `helpers.cli`, which reads the words."""
