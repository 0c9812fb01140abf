"""Answers for any number of images, written as they come, so that a killed job goes on where it stopped."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from breakhis.errors import ImageError
from breakhis.files import hash_json, storage_errors, write_json
from breakhis.predict.predictor import Predictor


def write_predictions(
    predictor: Predictor,
    files: Sequence[Path],
    out: Path,
    *,
    on_bad: Callable[[ImageError], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Classify files into a `predictions.csv`.

    Rows go to `out` with ".part" appended, which is renamed once all are there. A ".part" of an interrupted
    job with the same model, precision and files is gone on with; any other is begun anew.

    Args:
        predictor: The model.
        files: Images, in the order of the rows.
        out: The CSV.
        on_bad: Called for each bad file, which is left out; without it the first one is raised. Bad files
            that an interrupted job had passed are not read again.
        progress: Called with the number of files done and of all files.

    Raises:
        ImageError: A file is no whole 8-bit RGB image, and there is no `on_bad`.
        StorageError: The disk refuses.
    """
    names = [file.as_posix() for file in files]
    part = _Part.of(out, key=hash_json([predictor.bundle.hash, predictor.precision, names]))
    columns = predictor.predict([]).columns()
    with storage_errors(out):
        done = part.resume(names, columns)
        with part.file.open("a", newline="", encoding="utf-8", errors="surrogateescape") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            if stream.tell() == 0:
                writer.writeheader()
            for answers in predictor.stream(files[done:], on_bad=on_bad):
                writer.writerows(answers.rows())
                stream.flush()
                done = _after(names, answers.paths.tolist(), start=done)
                if progress is not None:
                    progress(done, len(files))
        part.finish(out)


def _after(names: Sequence[str], answered: Sequence[str], *, start: int) -> int:
    """The position in `names` behind the last answered one; raises ValueError where they do not follow."""
    for name in answered:
        start = names.index(name, start) + 1
    return start


@dataclass(frozen=True)
class _Part:
    """The rows of an unfinished job, and a note of what job it is.

    Attributes:
        file: The rows.
        note: JSON with the key.
        key: What the job's answers depend on.
    """

    file: Path
    note: Path
    key: str

    @classmethod
    def of(cls, out: Path, *, key: str) -> "_Part":
        return cls(out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.part.json"), key)

    def resume(self, names: Sequence[str], columns: Sequence[str]) -> int:
        """Cut an unfinished row off; returns how many of `names` are done."""
        try:
            if json.loads(self.note.read_text("utf-8")) == {"key": self.key}:
                return self._count(names, columns)
        except (OSError, ValueError):
            pass  # none, or not one of this job: begin anew
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.unlink(missing_ok=True)
        write_json(self.note, {"key": self.key})
        return 0

    def _count(self, names: Sequence[str], columns: Sequence[str]) -> int:
        content = self.file.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        header, *rows = csv.reader(io.StringIO(whole.decode("utf-8", "surrogateescape"), newline=""))
        if header != list(columns) or any(len(row) != len(columns) for row in rows):
            raise ValueError("rows of another kind")
        done = _after(names, [row[0] for row in rows], start=0)
        with self.file.open("r+b") as stream:
            stream.truncate(len(whole))
        return done

    def finish(self, out: Path) -> None:
        self.file.replace(out)
        self.note.unlink(missing_ok=True)
