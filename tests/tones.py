"""Tones as audio files, and applications served in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from flask import Flask
from werkzeug.serving import make_server

MAKE_DROP = """({name, bytes}) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "audio/wav"}));
    return transfer;
}"""
"""What drops a file on the page, in its language."""


def write_tone(path: Path, hertz: float) -> Path:
    time = np.arange(22050 * 3) / 22050
    samples = sum(np.sin(2 * np.pi * hertz * n * time) / n for n in (1, 2, 3)) / 3
    soundfile.write(path, samples.astype(np.float32), 22050)
    return path


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Where an application is served."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
