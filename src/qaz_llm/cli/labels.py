"""`qaz label FILE`, `qaz label keys`, `qaz label watermark` and `qaz verify FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from qaz_llm.labels.verdicts import Segment, Verified
    from qaz_llm.labels.watermark_score import WatermarkScore

KEYS, WATERMARK = "keys", "watermark"
LABEL = " "
"""Name of the command that is meant where none is named."""
SHOWN_CHARS = 40
Encoding = Annotated[
    str | None, typer.Option(metavar="NAME", help="The file's encoding; by its byte order mark, else UTF-8.")
]


class LabelGroup(TyperGroup):
    """`qaz label FILE`, and `qaz label keys` and `qaz label watermark` beside it; a file named keys is ./keys."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args[:1] in ([KEYS], [WATERMARK]) else [LABEL, *args])


label_app = typer.Typer(cls=LabelGroup, add_completion=False, pretty_exceptions_enable=False)


@label_app.command(LABEL)
def label(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Text that a model wrote; - for standard input.")],
    keys: Annotated[Path, typer.Option(metavar="DIR", help="A folder of `qaz label keys`.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it goes; NAME.labelled.txt beside the file.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of the model that wrote it, to stand in the label.")] = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Put a label behind a text: that a model wrote it, signed, in characters that are not seen (C2PA 2.4).

    Label only what a model wrote. Keys are made once: qaz label keys --out DIR.
    """
    from qaz_llm.errors import InputError
    from qaz_llm.labels.files import STANDARD_INPUT, label_file, read_unlabelled
    from qaz_llm.labels.keys import open_keys
    from qaz_llm.labels.making import Labeller

    if out is None:
        if file == STANDARD_INPUT:
            raise InputError("--out: text of standard input has no name to be called after", hint="add --out FILE")
        out = file.with_name(f"{file.stem}.labelled{file.suffix or '.txt'}")
    read = read_unlabelled(file, out, encoding)
    made = label_file(read, out, Labeller(open_keys(keys), model=model))
    if as_json:
        print_json(made)
        return
    typer.echo(f"{out}: {made['chars']:,} characters and a label of {made['label_bytes']:,} bytes")
    if made["looks_like"]:
        typer.echo(
            f"read as {made['read_as']}, as you said; its bytes look more like {made['looks_like']}: look at the letters"
        )
    if made["composed"]:
        typer.echo("letters and their marks were composed (NFC), as the standard asks")


@label_app.command(KEYS)
def keys(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the keys go.")],
    organisation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who labels, as readers will see it; of a new leaf its root's, else qaz-llm."
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long the leaf is valid; the root is for ten years.")
    ] = 365,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Make a new leaf of the root in this folder, in place of a root.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the keys of a service that labels what it writes: a root to give to readers, and a leaf to sign with."""
    from qaz_llm.labels.keys import LEAF_KEY, ROOT, ROOT_KEY, make_keys
    from qaz_llm.labels.names import CERTIFICATE_CHARS

    made = make_keys(out, organisation=organisation, days=days, root=root)
    if as_json:
        print_json(made)
        return
    if made["organisation_cut"]:
        typer.echo(f"--organisation: cut to {CERTIFICATE_CHARS} characters, a certificate has no room for more")
    for name in ("root", "leaf"):
        facts = made[name]
        typer.echo(f"{name}  {facts['name']}")
        typer.echo(f"      valid from {facts['valid_from'][:16]} until {facts['valid_until'][:16]} UTC")
        typer.echo(f"      SHA-256 {facts['sha256']}")
    typer.echo(f"give to readers: {out / ROOT}; on the server: {out / LEAF_KEY} and leaf.pem")
    if made["root_key_here"]:
        typer.echo(f"keep off the server, in a safe: {out / ROOT_KEY}; whoever has it can sign in your name")


@label_app.command(WATERMARK)
def watermark(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the keys go.")],
) -> None:
    """Make the keys of a watermark in the choice of tokens: qaz serve --watermark FILE, qaz verify --watermark FILE."""
    from qaz_llm.labels.watermark import make_watermark_keys

    make_watermark_keys(out)
    typer.echo(f"{out}: keys for `qaz serve --watermark` and `qaz verify --watermark`, readable by you alone")
    typer.echo("keep them: marks made with them are found with them alone; whoever has them can forge marks")


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any text file; - for standard input.")],
    trust: Annotated[
        list[Path] | None,
        typer.Option(metavar="ROOT.pem", help="A root that labels are trusted by; may be given again."),
    ] = None,
    watermark: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Look for the watermark of these keys as well; needs --tokenizer."),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of the model that may have written the text.")
    ] = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Say of each piece of a text what its label says: trusted, valid, changed, or none.

    Ends with 0 where every label holds (with --trust: leads to a root given), 3 where there is no label, 4 where a label does
    not hold, 5 where all hold and one leads to no root given; a watermark that is found in a text without a label makes 0 of 3. No label
    and no watermark never mean that a person wrote it.
    """
    from qaz_llm.labels.files import read_text_file
    from qaz_llm.labels.keys import read_roots
    from qaz_llm.labels.reading import read_labels

    roots = read_roots(trust) if trust else None
    read = read_text_file(file, encoding)
    made = read_labels(read.text, roots=roots)
    score = _score(read.text, watermark, tokenizer)
    if as_json:
        marked = {"watermark": score.to_dict()} if score else {}
        print_json({"file": str(file), "encoding": read.encoding, **made.to_dict(), **marked})
    else:
        _print(made)
        _print_score(score)
    is_marked = score is not None and score.verdict == "found"
    raise typer.Exit(0 if is_marked and not made.is_labelled else made.exit_code)


def _score(text: str, keys_file: Path | None, tokenizer: Path | None) -> WatermarkScore | None:
    from qaz_llm.errors import InputError

    if keys_file is None and tokenizer is None:
        return None
    if keys_file is None or tokenizer is None:
        raise InputError(
            f"{'--watermark' if tokenizer is None else '--tokenizer'}: goes with"
            f" {'--tokenizer' if tokenizer is None else '--watermark'}, and that is not given",
            hint="qaz verify FILE --watermark KEYS_FILE --tokenizer MODEL_DIR",
        )
    from qaz_llm.labels.watermark import read_watermark_keys
    from qaz_llm.labels.watermark_score import score_text
    from qaz_llm.tokenizer.fast import load_fast_tokenizer

    keys = read_watermark_keys(keys_file)
    return score_text(text, load_fast_tokenizer(str(tokenizer)), keys)


def _print_score(score: WatermarkScore | None) -> None:
    from qaz_llm.labels.watermark_score import WATERMARK_MEANINGS

    if score is None:
        return
    found = "" if score.z is None else f", z {score.z:.1f}, found from {score.threshold_z:.1f} on"
    typer.echo(f"watermark: {score.verdict} ({score.tokens:,} tokens{found}), {WATERMARK_MEANINGS[score.verdict]}")


def _print(made: Verified) -> None:
    from qaz_llm.labels.verdicts import MEANINGS, REASONS

    rows = [[segment.state, _place(segment), _says(segment)] for segment in made.segments]
    print_table(["verdict", "characters", "what the label says"], rows)
    if made.read_as:
        typer.echo(f"read without: {', '.join(made.read_as)}; the positions are those of the text then")
    for state, count in made.counts.items():
        typer.echo(f"{state}: {count:,} ({made.chars[state]:,} characters), {MEANINGS[state]}")
    reasons = dict.fromkeys(segment.reason for segment in made.segments if segment.reason)
    for reason in reasons:
        typer.echo(f"{reason}: {REASONS[str(reason)]}")


def _place(segment: Segment) -> str:
    return f"{'' if segment.is_start_certain else 'about '}{segment.start:,}–{segment.end:,}"


def _says(segment: Segment) -> str:
    from qaz_llm.labels.names import quoted

    told = [segment.reason] if segment.reason else []
    told += [f"{what} {quoted(said)}" for what, said in (("model", segment.model), ("made", segment.made_at)) if said]
    if segment.signer:
        told.append(
            f"{'signed by' if segment.state == 'trusted' else 'signer not confirmed:'} {quoted(segment.signer)}"
        )
    return ", ".join(told) or "–"
