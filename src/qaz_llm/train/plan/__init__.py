"""What a run will take, before it runs: memory, FLOPs, steps, time and money, disk, and what fits.

matrices      what a model is made of, read from it without weights
counts        parameters, and those that are trained
activations   what the forward pass keeps
memory        the fullest moment of one process, by part; sharing: who holds what
flops, duration, disk
fit           what else would fit
deepspeed     a DeepSpeed file held against the config
make          a config met with a machine: the plan (record), in lines (describe)
"""

from qaz_llm.train.plan.counts import CountedModel, count_model
from qaz_llm.train.plan.describe import describe_plan
from qaz_llm.train.plan.make import check_machine, make_plan
from qaz_llm.train.plan.record import TrainPlan

__all__ = ["CountedModel", "TrainPlan", "check_machine", "count_model", "describe_plan", "make_plan"]
