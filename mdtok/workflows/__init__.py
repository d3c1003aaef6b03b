"""The road: settings, data and stages of a run, the run folder, the command line, and what is done with finished
runs."""
