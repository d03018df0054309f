"""What a training run is told: a file for each section. The hyperparameters alone (`TrainSettings`) are what a pipeline's stage takes too."""

from qaz_llm.train.config.adapter import AdapterConfig
from qaz_llm.train.config.distributed import DistributedConfig
from qaz_llm.train.config.divergence import DivergenceConfig
from qaz_llm.train.config.kernels import KernelsConfig
from qaz_llm.train.config.run import TrainConfig
from qaz_llm.train.config.settings import TrainSettings
from qaz_llm.train.config.watching import WatchConfig

__all__ = [
    "AdapterConfig",
    "DistributedConfig",
    "DivergenceConfig",
    "KernelsConfig",
    "TrainConfig",
    "TrainSettings",
    "WatchConfig",
]
