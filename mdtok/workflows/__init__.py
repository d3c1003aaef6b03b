"""The road of a run, and what is done with finished ones.

`stages` (train, rollout, score) and what stands before them (`settings`, `folder`, `data`, `simulation`, `tokenising`);
`runs`, a module a kind of run; `chapters` of the report; `studies` of finished runs; and the command line.
"""
