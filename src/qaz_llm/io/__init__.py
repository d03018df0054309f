"""Files: where they lie, how they are read and written, and by what fingerprint they are known.

Nothing half-written is ever trusted. Every artefact is written beside its place, flushed, and renamed into it, so a
file that has its final name is whole; a folder is whole when its manifest is there, because the manifest comes last.
"""

from qaz_llm.io.compression import BZ2_STREAM, COMPRESSIONS, compression_of, naming_damage, open_bytes
from qaz_llm.io.fingerprints import (
    code_fingerprint,
    damage_of,
    facts_of_files,
    fingerprint_file,
    fingerprint_input,
    fingerprint_inputs,
    fingerprint_paths,
    fingerprint_value,
    size_in,
)
from qaz_llm.io.folders import LOCK_FILE, check_replaceable, check_writable, make_dir, only_one
from qaz_llm.io.paths import (
    CORPUS_DIR_VARIABLE,
    EMBEDDED_PREFIX,
    cache_dir,
    embedded_path,
    expand_paths,
    file_format,
    resolve_path,
)
from qaz_llm.io.reading import (
    MAX_LINE_BYTES,
    has_too_many_values,
    open_text,
    parse_row,
    read_json,
    read_jsonl,
    read_line,
    read_lines,
    read_parquet,
    read_rows,
    skip_line,
)
from qaz_llm.io.shards import ShardWriter
from qaz_llm.io.writing import (
    ZSTD_LEVEL,
    atomic_dir,
    atomic_path,
    dump_row,
    open_jsonl_for_writing,
    open_lines_for_writing,
    write_json,
    write_jsonl,
    write_text,
)

__all__ = [
    "BZ2_STREAM",
    "COMPRESSIONS",
    "CORPUS_DIR_VARIABLE",
    "EMBEDDED_PREFIX",
    "LOCK_FILE",
    "MAX_LINE_BYTES",
    "ZSTD_LEVEL",
    "ShardWriter",
    "atomic_dir",
    "atomic_path",
    "cache_dir",
    "check_replaceable",
    "check_writable",
    "code_fingerprint",
    "compression_of",
    "damage_of",
    "dump_row",
    "embedded_path",
    "expand_paths",
    "facts_of_files",
    "file_format",
    "fingerprint_file",
    "fingerprint_input",
    "fingerprint_inputs",
    "fingerprint_paths",
    "fingerprint_value",
    "has_too_many_values",
    "make_dir",
    "naming_damage",
    "only_one",
    "open_bytes",
    "open_jsonl_for_writing",
    "open_lines_for_writing",
    "open_text",
    "parse_row",
    "read_json",
    "read_jsonl",
    "read_line",
    "read_lines",
    "read_parquet",
    "read_rows",
    "resolve_path",
    "size_in",
    "skip_line",
    "write_json",
    "write_jsonl",
    "write_text",
]
