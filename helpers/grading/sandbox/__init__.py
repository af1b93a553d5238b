"""Where submissions run: kernels that see no other student, no hidden test, no network and no more memory than given.

`bubblewrap` says what is seen, `limits` how much is used, `preloaded` keeps a process with TensorFlow in memory from
which kernels are forked into their sandboxes, and `kernels` is what nbgrader starts them with.
"""
