"""ChatML with generation markers: the template of tokenizers that are made here, and of others on demand.

Each turn is `<|im_start|>role\\n…<|im_end|>\\n` (the ChatML layout, https://github.com/openai/openai-python/blob/v0.27.0/chatml.md).
The assistant's words and its `<|im_end|>` stand between the `generation` markers that transformers reads to make the
assistant mask, so that the model learns to answer and to stop, and nothing else.
"""

CHATML = "chatml"
"""What a config calls this template."""

TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

DEFAULT_CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['role'] == 'assistant' -%}"
    "{%- generation -%}{{- message['content'] + '<|im_end|>' -}}{%- endgeneration -%}"
    "{%- else -%}"
    "{{- message['content'] + '<|im_end|>' -}}"
    "{%- endif -%}"
    "{{- '\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
