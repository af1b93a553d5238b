"""The workshop of the course: data, models, figures and experiments that the notebooks import."""
