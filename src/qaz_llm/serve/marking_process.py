"""`transformers serve` with a watermark on all that it writes, as a program: `python -m qaz_llm.serve.marking_process FOLDER PORT KEYS_FILE`.

The command `transformers serve` takes no SynthID-Text: the generation settings in a model's folder or in a request are read as those of
another watermark. But settings that a request leaves out are taken from the model in memory. So its own parts are put together here
as its command does, and each model that is loaded gets the watermark into its settings. Nothing of its code is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.labels.watermark import NGRAM_TOKENS, TABLE_SIZE, WatermarkKeys, read_watermark_keys
from qaz_llm.serve.engines import LOOPBACK

if TYPE_CHECKING:
    from transformers import SynthIDTextWatermarkingConfig
    from transformers.cli.serving.model_manager import ModelManager


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends the process."""
    import uvicorn
    from transformers.cli.serving.chat_completion import ChatCompletionHandler
    from transformers.cli.serving.completion import CompletionHandler
    from transformers.cli.serving.response import ResponseHandler
    from transformers.cli.serving.server import build_server
    from transformers.cli.serving.systemone import SystemOneHandler
    from transformers.cli.serving.transcription import TranscriptionHandler
    from transformers.cli.serving.utils import GenerationState
    from transformers.utils import logging

    folder, port, keys_file = arguments
    logging.set_verbosity_error()
    state = GenerationState()
    models = marking_models(watermark_of(read_watermark_keys(Path(keys_file))), force_model=folder)
    app = build_server(
        models,
        ChatCompletionHandler(models, state),
        CompletionHandler(models, state),
        ResponseHandler(models, state),
        TranscriptionHandler(models, state),
        SystemOneHandler(models, state),
        state,
    )
    uvicorn.run(app, host=LOOPBACK, port=int(port), log_level="error")


def marking_models(watermark: SynthIDTextWatermarkingConfig, **options: Any) -> ModelManager:
    """Transformers' keeper of models; whatever it loads, and loads again, marks what it writes."""
    from transformers.cli.serving.model_manager import ModelManager

    class MarkingModels(ModelManager):  # type: ignore[misc]
        def load_model_and_processor(self, *args: Any, **kwargs: Any) -> Any:
            model, processor = super().load_model_and_processor(*args, **kwargs)
            model.generation_config.watermarking_config = watermark
            return model, processor

    return MarkingModels(**options)


def watermark_of(keys: WatermarkKeys) -> SynthIDTextWatermarkingConfig:
    """Transformers' settings of the watermark, whose table is that of the keys on every device."""
    import torch
    from transformers import SynthIDTextWatermarkingConfig

    class Watermark(SynthIDTextWatermarkingConfig):  # type: ignore[misc]
        def construct_processor(self, vocab_size: int, device: Any) -> Any:
            processor = super().construct_processor(vocab_size, device)
            processor.sampling_table = torch.from_numpy(keys.table.astype("int64")).to(device)
            return processor

    return Watermark(ngram_len=NGRAM_TOKENS, keys=list(keys.keys), sampling_table_size=TABLE_SIZE)


if __name__ == "__main__":
    main(sys.argv[1:])
