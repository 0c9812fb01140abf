"""How much of the engine's throughput is left when many clients ask the service at once.

    python benchmarks/serve_load.py DATA [--model MODEL] [--clients 32] [--seconds 60] [--garbage] [--page]

A `breakhis serve` of its own is asked over loopback by clients that send one image a request and ask again
once they are answered. Before and after, the bare engine computes the same images, already decoded, in this
process, and the predictor reads and answers the same files; the clients' own work runs on the same cores and
counts against the service. Images a processor second are what one core does, and disturbed least by other
programs on the machine. With `--garbage`, one more client sends what is no image and no request. `--page`
writes what was measured into docs/serve.md.
"""

import argparse
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from breakhis.catalog.scan import find_images
from breakhis.files import write_between
from breakhis.images.decode import decode
from breakhis.predict import BATCH, Predictor, image_files

IMAGES = 256
BARE_SECONDS = 10
BOUNDARY = "load"
PAGE = Path(__file__).parents[1] / "docs" / "serve.md"


@dataclass
class Told:
    """What clients saw."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    garbage: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Measure, and print what was found."""
    options, busy = parse(), os.getloadavg()[0]
    names = sorted(find_images(options.data))
    files = [options.data / name for name in random.Random(0).sample(names, min(IMAGES, len(names)))]
    predictor = Predictor.load(options.model)
    squares = np.stack([decode(file, size=predictor.bundle.size) for file in files])
    engine = Rate(lambda batch: predictor.engine.answer(squares[batch : batch + BATCH]), len(files))
    reader = Rate(lambda batch: predictor.predict(image_files(files[batch : batch + BATCH])), len(files))
    bare = [engine.measure()]
    read = [reader.measure()]
    with service(options.model) as (process, url):
        before = processor_seconds(process.pid)
        told, seconds, work = load(url, [form(file) for file in files], options)
        cost = processor_seconds(process.pid) - before
        memory = peak(process.pid)
        batches = mean_batch(url)
    read.append(reader.measure())
    bare.append(engine.measure())
    served = told.statuses["200"] / seconds
    wall, own = ([statistics.mean(pair) for pair in zip(*rates, strict=True)] for rates in (bare, read))
    each = told.statuses["200"] / cost
    each_with_clients = told.statuses["200"] / (cost + work)
    result = {
        "clients": options.clients,
        "seconds": round(seconds, 1),
        "cores": os.cpu_count(),
        "served": {"a second": served, "a processor second": each, "with clients": each_with_clients},
        "bare engine": {"a second": wall[0], "a processor second": wall[1]},
        "predictor": {"a second": own[0], "a processor second": own[1]},
        "of bare engine, wall time": served / wall[0],
        "of bare engine, processor time": each / wall[1],
        "of predictor, wall time": served / own[0],
        "of predictor, processor time": each / own[1],
        "p50_seconds": quantile(told.seconds, 0.50),
        "p95_seconds": quantile(told.seconds, 0.95),
        "worst_seconds": max(told.seconds),
        "images_in_a_batch": batches,
        "peak_memory_mb": memory,
        "clients_share_of_cores": work / seconds / (os.cpu_count() or 1),
        "statuses": dict(told.statuses),
        "garbage": dict(told.garbage),
    }
    print(json.dumps(result) if options.json else table(result))
    if options.page:
        write_page(result, predictor.bundle.summary(), busy=busy)
    sys.exit(0 if set(told.statuses) == {"200"} else 1)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--garbage", action="store_true")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true")
    form.add_argument("--page", action="store_true", help="write the table into docs/serve.md")
    return parser.parse_args()


class Rate:
    """How fast something computes a batch."""

    def __init__(self, compute: Callable[[int], object], count: int) -> None:
        self.compute = compute
        self.starts = range(0, count - BATCH + 1, BATCH)

    def measure(self) -> tuple[float, float]:
        """Images a second of wall time and of processor time, over some seconds."""
        self.compute(0)
        done, started, worked = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - started < BARE_SECONDS:
            self.compute(self.starts[done % len(self.starts)])
            done += 1
        images = done * BATCH
        return images / (time.perf_counter() - started), images / (time.process_time() - worked)


@contextmanager
def service(model: Path | None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service in a process of its own."""
    command = [sys.executable, "-m", "breakhis", "serve", "--port", "0", "--json"]
    command += ["--model", str(model)] if model else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        while get(url, "/readyz")[0] != 200:
            time.sleep(0.1)
        try:
            yield process, url
        finally:
            process.send_signal(signal.SIGTERM)


def get(url: str, path: str) -> tuple[int, str]:
    """Status and body of one answer; 0 where nothing listens yet."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def form(file: Path) -> bytes:
    """A multipart form of one file."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{file.name}"\r\n\r\n'
    return head.encode() + file.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def load(url: str, forms: list[bytes], options: argparse.Namespace) -> tuple[Told, float, float]:
    """Let the clients work; returns what they saw, the seconds that it took and their processor seconds."""
    told, used = Told(), resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    end = started + options.seconds
    clients = [
        threading.Thread(
            target=ask, args=(url, forms, random.Random(number)), kwargs={"told": told, "end": end}
        )
        for number in range(options.clients)
    ]
    if options.garbage:
        clients.append(threading.Thread(target=disturb, args=(url, told, end)))
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    now = resource.getrusage(resource.RUSAGE_SELF)
    work = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return told, time.perf_counter() - started, work


def ask(url: str, forms: list[bytes], rng: random.Random, *, told: Told, end: float) -> None:
    """One client: send an image, wait for its answer, again."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=90)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    while time.perf_counter() < end:
        started = time.perf_counter()
        try:
            connection.request("POST", "/v1/predict", rng.choice(forms), headers)
            answer = connection.getresponse()
            answer.read()
            status = str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            status = type(error).__name__
        told.statuses[status] += 1
        told.seconds.append(time.perf_counter() - started)


def disturb(url: str, told: Told, end: float) -> None:
    """One client that sends rubbish: no image, cut forms, endless names, broken requests, hung-up calls."""
    rng = random.Random(1)
    host, port = urlsplit(url).netloc.split(":")
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    head = f"POST /v1/predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n"
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{"x" * 5000}"\r\n\r\n'
    while time.perf_counter() < end:
        body = (part + "\r\n").encode() + rng.randbytes(rng.choice((0, 1, 1000, 2**20)))
        stated = rng.choice((len(body), len(body) + 5, 10**12, len(body)))
        sent = rng.choice(
            (
                f"{head}Content-Length: {stated}\r\n\r\n".encode() + body,
                rng.randbytes(2000),
                f"{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
                f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2],
            )
        )
        try:
            with socket.create_connection((host, int(port)), timeout=1) as call:
                call.sendall(sent)
                told.garbage[call.recv(64).split(b"\r\n")[0].decode("latin-1") or "closed"] += 1
        except OSError as error:
            told.garbage[type(error).__name__] += 1


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid: int) -> float:
    """Largest resident size of a process in MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def mean_batch(url: str) -> float:
    """Images that were computed together, on average."""
    text = get(url, "/metrics")[1]
    total, count = (
        float(re.findall(rf"^breakhis_batch_images_{name} (\S+)", text, re.M)[0]) for name in ("sum", "count")
    )
    return total / count


def quantile(values: list[float], share: float) -> float:
    """By sorting."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def table(result: dict[str, object]) -> str:
    """For people."""
    return "\n".join(f"{name:<34}{_shown(value)}" for name, value in result.items())


def write_page(result: dict[str, object], model: str, *, busy: float) -> None:
    """Replace the table between the marks of the page."""
    shown = {name.replace("_", " "): _shown(value) for name, value in result.items() if value}
    rows = "\n".join(f"| {name} | {value} |" for name, value in shown.items())
    note = f"Model: {model}. Load of the machine before: {busy:.1f}."
    write_between(PAGE, "benchmarks/serve_load.py", f"| | |\n|---|---|\n{rows}\n\n{note}")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return ", ".join(f"{_shown(number)} {name}" for name, number in value.items())
    return str(value)


if __name__ == "__main__":
    main()
