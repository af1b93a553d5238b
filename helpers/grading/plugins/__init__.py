"""What nbgrader lacks, at its own extension points: steps of `autograde` and `feedback`.

`nbgrader_config.py` names them, so formgrader's buttons and `nbgrader` itself use them as `./course homework` does.
"""
