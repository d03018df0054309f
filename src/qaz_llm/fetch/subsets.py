"""A data set of which some subsets were fetched: its card is to speak of those alone.

The `datasets` library looks for the files of the first subset that a card names, whichever is asked for; where they were not
fetched it finds none, and reads nothing. The card as it was stays beside it, as README.hub.md.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

CARD, CARD_OF_HUB = "README.md", "README.hub.md"


def keep_subsets(folder: Path, subsets: Sequence[str]) -> list[Path]:
    """Take the subsets out of a data set's card that were not fetched; `` stands for its default one.

    The files beside the card that this made.
    """
    from huggingface_hub import DatasetCard

    path, of_hub = folder / CARD, folder / CARD_OF_HUB
    if not subsets or not path.is_file():
        return []
    card = DatasetCard.load(of_hub if of_hub.is_file() else path, ignore_metadata_errors=True)
    configs = card.data.get("configs")
    if not isinstance(configs, list):
        return []
    defaults = [one for one in configs if one.get("default")] or configs[:1]
    wanted = {*subsets, *(one.get("config_name") for one in defaults if "" in subsets)}
    kept = [one for one in configs if one.get("config_name") in wanted]
    if len(kept) == len(configs):
        if of_hub.is_file():
            of_hub.replace(path)
        return []
    if not of_hub.is_file():
        shutil.copyfile(path, of_hub)
    card.data["configs"] = kept
    card.save(path)
    return [of_hub]
