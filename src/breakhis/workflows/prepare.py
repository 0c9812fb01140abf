"""From what a user names to a job: scan, split, prepared images."""

from dataclasses import dataclass
from pathlib import Path

from breakhis.catalog import Catalog
from breakhis.catalog.scan import scan
from breakhis.config import ImageConfig
from breakhis.images.store import Store, prepare_readable
from breakhis.training.loop import Listener


@dataclass(frozen=True)
class Source:
    """Where images come from.

    Attributes:
        data: Folder or manifest CSV.
        skip_bad: Leave out files whose name or content is bad.
        group_regex: How foreign paths name their case.
    """

    data: Path
    skip_bad: bool = False
    group_regex: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A catalog and its images, decoded and resized, in the same order."""

    catalog: Catalog
    store: Store


def prepare_source(source: Source, images: ImageConfig, listener: Listener) -> Prepared:
    """Scan and decode.

    Raises:
        DataError: Nothing that a catalog can be made of.
        ImageError: Files that are no whole 8-bit RGB images, unless they are to be skipped.
    """
    catalog = scan(source.data, skip_bad=source.skip_bad, group_regex=source.group_regex)
    progress = listener.stage(f"preparing {len(catalog)} images")
    return Prepared(*prepare_readable(catalog, size=images.size, skip_bad=source.skip_bad, progress=progress))
