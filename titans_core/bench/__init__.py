"""`titans bench`: what the memory, whole models, traces and training cost, side by side in one process.

A part (memory, roofline, signals, trace, training, growth) makes rows: plain dicts that go into the JSON file as they
are. `tables` makes tables of them, `bars` judges what is promised; both need the rows alone, no torch.
"""
