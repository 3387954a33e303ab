"""Measures how long the server takes to start and to answer uploads of four-minute MP3 files.

For a library of 10,000 tracks with random embeddings and an encoder, it prints: the seconds from
the command to the first answer, the slow modules that the server had loaded by then, the seconds
of each upload, and whether the very next request returned the uploaded track.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from hybridrec.data.embeddings import Embeddings, unit_length
from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.storage.library import Library

SAMPLE_RATE_HZ = 44100


def build_library(directory: Path, tracks: int) -> None:
    """Make a library of random embeddings with the fingerprint of its own encoder."""
    with Library.open(directory, create=True) as library:
        ensure_encoder(library)
        fingerprint = library.fingerprint()
        assert fingerprint is not None
        vectors = unit_length(np.random.default_rng(0).normal(size=(tracks, 128)))
        library.put_embeddings(
            Embeddings(fingerprint, tuple(f"track-{n:06d}" for n in range(tracks)), vectors)
        )


def write_mp3(path: Path, seconds: float, seed: int) -> None:
    """Write tones of changing pitch and noise, in stereo, as MP3."""
    rng = np.random.default_rng(seed)
    n = int(seconds * SAMPLE_RATE_HZ)
    pitch = np.repeat(rng.uniform(100, 2000, size=n // 11025 + 1), 11025)[:n]
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ) + 0.05 * rng.normal(size=n)
    soundfile.write(path, np.column_stack([sound, sound]), SAMPLE_RATE_HZ, format="MP3")


def call(
    address: str, method: str, path: str, body: bytes | None = None, kind: str = ""
) -> dict[str, Any]:
    """The answer to one request, as JSON."""
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request(method, path, body, {"Content-Type": kind} if kind else {})
    answer = connection.getresponse()
    content: dict[str, Any] = json.loads(answer.read())
    connection.close()
    if answer.status >= 400:
        raise SystemExit(f"{method} {path} failed: {content}")
    return content


def upload(address: str, path: Path) -> tuple[float, str]:
    """Seconds until the answer, and the id of the new track."""
    boundary = uuid.uuid4().hex
    disposition = f'form-data; name="audio"; filename="{path.name}"'
    head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n"
    body = head.encode() + path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
    begin = time.perf_counter()
    content = call(address, "POST", "/v1/tracks", body, f"multipart/form-data; boundary={boundary}")
    return time.perf_counter() - begin, content["track"]["id"]


def slow_modules(pid: int) -> list[str]:
    """Which modules that are slow to import a process and its children have mapped."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    maps = "".join(Path(f"/proc/{process}/maps").read_text() for process in [str(pid), *children])
    return [
        name for name in ("torch", "numba", "sklearn", "pandas") if re.search(rf"/{name}/", maps)
    ]


def main() -> None:
    """Parse the arguments, make the library and the files, measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--uploads", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        library = Path(scratch) / "library"
        build_library(library, options.tracks)
        files = [Path(scratch) / f"{n}.mp3" for n in range(options.uploads)]
        for n, file in enumerate(files):
            write_mp3(file, 60 * options.minutes, seed=n)
        measure(library, files)


def measure(library: Path, files: list[Path]) -> None:
    """Start a server, upload the files, and print the times."""
    serve = ["hybridrec", "serve", "--library", str(library), "--port", "0"]
    begin = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-m", *serve], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split("http://")[1].strip(" /\n")
        ready = call(address, "GET", "/readyz")
        seconds, count = time.perf_counter() - begin, ready["embedded"]
        print(f"start to first answer: {seconds:.2f} s, {count} embeddings")
        print(f"slow modules loaded by then: {slow_modules(server.pid) or 'none'}")
        for n, file in enumerate(files):
            seconds, id_ = upload(address, file)
            found = is_found(address, id_)
            print(f"upload {n + 1}: {seconds:.2f} s; the next request returns it: {found}")
    finally:
        server.terminate()
        server.wait()


def is_found(address: str, id_: str) -> bool:
    """Whether a new track is among the hundred nearest of its own nearest track."""
    nearest = call(address, "GET", f"/v1/tracks/{id_}/similar?n=1")["similar"][0]["track"]["id"]
    similar = call(address, "GET", f"/v1/tracks/{nearest}/similar?n=100")["similar"]
    return id_ in [hit["track"]["id"] for hit in similar]


if __name__ == "__main__":
    main()
