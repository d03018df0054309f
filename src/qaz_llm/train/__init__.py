"""The training run: exact, watched, and never lost.

run         `qaz train`, from a plan to a model; status, metrics, report: what it writes down, and the page made of that
config      what a run is told                    plan        what it will take
start       what there is before the first step   loop        the trainer, its optimizer, what is between two steps
batches     rows as batches, and their loss       preference  pairs of answers in their place
saving      checkpoints and the result            health      steps that diverge, and what is done about them
ranks       several processes as one              watching    what is seen of it while it runs
"""
