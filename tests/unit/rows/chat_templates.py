"""Chat templates that behave as those of families of models do, in our own words, and special tokens to write them with.

What each does with white space, system turns, tools and thoughts is what the families' public templates do; the tokens are
spelled as theirs. None has {% generation %} markers, as theirs have none.
"""

LLAMA31 = """{{- bos_token }}
{%- set rest = messages %}{%- set system = 'Cutting Knowledge Date: December 2023' %}
{%- if messages[0].role == 'system' %}{%- set system = system + '\n\n' + messages[0].content | trim %}{%- set rest = messages[1:] %}{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' + system + '<|eot_id|>' }}
{%- for m in rest %}
  {%- if m.tool_calls %}
    {%- if m.tool_calls | length != 1 %}{{- raise_exception('one call at a time') }}{%- endif %}
    {%- set f = m.tool_calls[0].function %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "' + f.name + '", "parameters": ' + f.arguments | tojson + '}<|eot_id|>' }}
  {%- elif m.role == 'tool' %}
    {{- '<|start_header_id|>ipython<|end_header_id|>\n\n' + m.content | tojson + '<|eot_id|>' }}
  {%- else %}
    {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}
    {%- if loop.first and tools %}{{- 'Functions:\n' }}{%- for t in tools %}{{- t | tojson(indent=4) + '\n\n' }}{%- endfor %}{%- endif %}
    {{- m.content | trim + '<|eot_id|>' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"""

QWEN25 = """{%- set rest = messages %}{%- set system = 'You are a helpful assistant.' %}
{%- if messages[0].role == 'system' %}{%- set system = messages[0].content %}{%- set rest = messages[1:] %}{%- endif %}
{{- '<|im_start|>system\n' + system }}
{%- if tools %}{{- '\n\n# Tools\n<tools>' }}{%- for t in tools %}{{- '\n' + t | tojson }}{%- endfor %}{{- '\n</tools>' }}{%- endif %}
{{- '<|im_end|>\n' }}
{%- for m in rest %}
  {%- if m.role == 'tool' %}
    {%- if loop.first or rest[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
    {{- '\n<tool_response>\n' + m.content + '\n</tool_response>' }}
    {%- if loop.last or rest[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\n' }}{%- endif %}
  {%- else %}
    {{- '<|im_start|>' + m.role }}
    {%- if m.content %}{{- '\n' + m.content }}{%- endif %}
    {%- for call in m.tool_calls or [] %}
      {{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

QWEN3 = """{%- set ns = namespace(asked=-1) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.asked = loop.index0 %}{%- endif %}{%- endfor %}
{%- if tools %}{{- '<|im_start|>system\n# Tools\n' }}{%- for t in tools %}{{- t | tojson + '\n' }}{%- endfor %}{{- '<|im_end|>\n' }}{%- endif %}
{%- for m in messages %}
  {%- if m.role == 'assistant' %}
    {%- set said = m.content %}{%- set thought = '' %}
    {%- if m.reasoning_content is string %}{%- set thought = m.reasoning_content %}
    {%- elif '</think>' in said %}
      {%- set thought = said.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
      {%- set said = said.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {{- '<|im_start|>assistant\n' }}
    {%- if loop.index0 > ns.asked and (loop.last or thought) %}
      {{- '<think>\n' + thought.strip('\n') + '\n</think>\n\n' + said.lstrip('\n') }}
    {%- else %}{{- said }}{%- endif %}
    {%- for call in m.tool_calls or [] %}
      {{- '\n<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + '}\n</tool_call>' }}
    {%- endfor %}
    {{- '<|im_end|>\n' }}
  {%- elif m.role == 'tool' %}{{- '<|im_start|>user\n<tool_response>\n' + m.content + '\n</tool_response><|im_end|>\n' }}
  {%- else %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

GEMMA3 = """{{- bos_token }}
{%- set before = '' %}{%- set rest = messages %}
{%- if messages[0].role == 'system' %}{%- set before = messages[0].content + '\n\n' %}{%- set rest = messages[1:] %}{%- endif %}
{%- for m in rest %}
  {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('user and assistant have to take turns') }}{%- endif %}
  {{- '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' + (before if loop.first else '') }}
  {{- m.content | trim + '<end_of_turn>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\n' }}{%- endif %}"""

MISTRAL = """{{- bos_token }}
{%- set rest = messages %}{%- set system = '' %}
{%- if messages[0].role == 'system' %}{%- set system = messages[0].content + '\n\n' %}{%- set rest = messages[1:] %}{%- endif %}
{%- set ns = namespace(asked=-1) %}
{%- for m in rest %}{%- if m.role == 'user' %}{%- set ns.asked = loop.index0 %}{%- endif %}{%- endfor %}
{%- for m in rest %}
  {%- if m.role == 'user' %}
    {%- if tools and loop.index0 == ns.asked %}{{- '[AVAILABLE_TOOLS]' + tools | tojson + '[/AVAILABLE_TOOLS]' }}{%- endif %}
    {{- '[INST]' + (system if loop.index0 == ns.asked else '') + m.content + '[/INST]' }}
  {%- elif m.tool_calls %}
    {{- '[TOOL_CALLS][' }}
    {%- for call in m.tool_calls %}
      {%- if call.id is not defined or call.id | length != 9 %}{{- raise_exception('ids of calls have 9 characters') }}{%- endif %}
      {{- '{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + ', "id": "' + call.id + '"}' + (']' if loop.last else ', ') }}
    {%- endfor %}
    {{- eos_token }}
  {%- elif m.role == 'tool' %}{{- '[TOOL_RESULTS]{"content": ' + m.content + '}[/TOOL_RESULTS]' }}
  {%- else %}{{- ' ' + m.content + eos_token }}{%- endif %}
{%- endfor %}"""

PHI3 = """{%- for m in messages %}{{- '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>\n' }}{%- else %}{{- eos_token }}{%- endif %}"""

R1 = """{{- bos_token }}{%- for m in messages %}
  {%- if m.role == 'assistant' %}{{- '[A]' + m.content.split('</think>')[-1].lstrip('\n') + eos_token }}
  {%- else %}{{- '[U]' + m.content }}{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '[A]<think>\n' }}{%- endif %}"""

FAMILIES = {
    "llama31": LLAMA31,
    "qwen25": QWEN25,
    "qwen3": QWEN3,
    "gemma3": GEMMA3,
    "mistral": MISTRAL,
    "phi3": PHI3,
}
SPECIAL = (
    "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
    "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<|system|>", "<|user|>",
    "<|assistant|>", "<|end|>", "[A]", "[U]",
)  # fmt: skip
ADDED = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
"""Tokens that are added and not special, as Qwen has them."""
