"""Valid and invalid requests that Schemathesis generates from the OpenAPI document."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import schemathesis
from audio_files import short_tone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckFunction
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from servers import running

from hybridrec.api.app import create_app
from hybridrec.data.embeddings import Embeddings, unit_length
from hybridrec.data.plays import Play
from hybridrec.data.tracks import Track
from hybridrec.embedder.library_encoder import ensure_encoder
from hybridrec.serving.service import RecommendationService
from hybridrec.storage.library import Library
from hybridrec.storage.tokens import ROLES
from hybridrec.workflows.fit import fit

pytestmark = pytest.mark.server

GENERATED_REQUESTS = int(os.environ.get("HYBRIDREC_GENERATED_REQUESTS", "240"))
"""How many requests are made; 10000 make a thorough run."""

THOROUGH = GENERATED_REQUESTS >= 10_000
CALLERS = ("anybody", "nobody", "stranger", *ROLES)
"""`anybody` asks a server without tokens; with them, `nobody` has none, `stranger` a wrong one."""
IDS = tuple(f"known-{'x' * (n % 3)}{n}" for n in range(30))
"""Of tracks and of users."""


schemathesis.openapi.format(
    "binary", st.one_of(st.integers(100, 3900).map(short_tone), st.binary(max_size=100))
)


def contract() -> dict[str, Any]:
    """The OpenAPI document."""
    with (
        TemporaryDirectory() as place,
        Library.open(Path(place) / "library", create=True) as library,
    ):
        document: dict[str, Any] = create_app(RecommendationService(library)).api_doc
    return document


EDGES: BaseSchema = schemathesis.openapi.from_dict(contract())
EDGES.config.phases.fuzzing.enabled = False
if not THOROUGH:  # to make up the others takes seconds, whichever tests are chosen
    EDGES = EDGES.include(path="/v1/users/{user}/recommendations")
ANYTHING = schemathesis.openapi.from_dict(contract())
ANYTHING.config.phases.examples.enabled = ANYTHING.config.phases.coverage.enabled = False
OPERATIONS = len(list(ANYTHING.get_all_operations()))


@dataclass(frozen=True)
class Servers:
    """Where to ask, by caller, and with what token."""

    addresses: dict[str, str]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A server without tokens and one with, each on a library with an encoder."""
    place = tmp_path_factory.mktemp("generated")
    with Library.open(place / "open", create=True) as library:
        ensure_encoder(library)
        encoder = library.current("encoder")
        assert encoder is not None
        vectors = unit_length(np.random.default_rng(0).normal(size=(len(IDS), 128)))
        library.put_tracks(Track(id_, title=f"Song {id_}") for id_ in IDS)
        library.put_embeddings(Embeddings(encoder.fingerprint, IDS, vectors))
        library.set_fingerprint(encoder.fingerprint)
        library.add_plays(
            Play(user, track, 1.0) for user in IDS[:10] for track in IDS if len(user + track) % 2
        )
        fit(library)
        tokens = {role: library.create_token(f"{role} token", role) for role in ROLES}
    shutil.copytree(place / "open", place / "guarded")
    with ExitStack() as stack:
        options = "--tokens --no-log-requests --requests-per-minute 1000000"
        _, open_to_all = stack.enter_context(running(place / "open", stderr=None))
        _, guarded = stack.enter_context(running(place / "guarded", 2, options, stderr=None))
        addresses = dict.fromkeys(CALLERS, guarded) | {"anybody": open_to_all}
        yield Servers(addresses, tokens | {"stranger": "wrong"})


@pytest.fixture(scope="module")
def answered() -> Iterator[Counter[tuple[str, int]]]:
    """How many answers each caller got of each status; printed in the end."""
    answered: Counter[tuple[str, int]] = Counter()
    yield answered
    print(f"\n{answered.total()} generated requests:", dict(sorted(answered.items())))
    assert not THOROUGH or answered.total() >= GENERATED_REQUESTS


def beyond_schema(case: Any) -> list[CheckFunction]:
    """Checks to leave out because a schema cannot express the rule.

    It cannot say whether bytes are audio, nor whether a listen is in the future, too large or
    without its time. A form holds text only: the title `false` is sent as text.
    """
    if case.operation.path == "/1/submit-listens":
        return [positive_data_acceptance]
    excluded: list[CheckFunction] = []
    sent = case.body if isinstance(case.body, dict) else {}
    content = getattr(sent.get("audio"), "data", None)  # Schemathesis wraps bytes
    if isinstance(content, bytes) and not content.startswith(b"RIFF"):
        excluded.append(positive_data_acceptance)
    if case.media_type == "multipart/form-data" and not all(
        isinstance(value, str) for value in sent.values()
    ):
        excluded.append(negative_data_rejection)
    return excluded


@dataclass(frozen=True)
class Asker:
    """Asks as one caller or another, holds every answer against the document, and counts."""

    servers: Servers
    answered: Counter[tuple[str, int]]

    def ask(self, case: Any, caller: str) -> None:
        """One request."""
        token = self.servers.tokens.get(caller)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = case.call(base_url=self.servers.addresses[caller], headers=headers, timeout=600)
        self.answered[caller, answer.status_code] += 1
        excluded = beyond_schema(case)
        if answer.status_code == 414:  # whether right or wrong, for it was not read
            excluded += [positive_data_acceptance, negative_data_rejection]
        case.validate_response(answer, headers=headers, excluded_checks=excluded)


@pytest.fixture
def asker(servers: Servers, answered: Counter[tuple[str, int]]) -> Asker:
    """Whoever asks."""
    return Asker(servers, answered)


@EDGES.parametrize()
@pytest.mark.parametrize("caller", CALLERS if THOROUGH else ["admin"])
@settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_values_at_the_edges_are_answered_as_the_document_promises(
    case: Any, caller: str, asker: Asker
) -> None:
    asker.ask(case, caller)


@ANYTHING.parametrize()
@ANYTHING.given(caller=st.sampled_from(CALLERS), known=st.sampled_from([None, *IDS]))
@settings(
    max_examples=max(1, GENERATED_REQUESTS // OPERATIONS),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_anything_is_answered_as_the_document_promises(
    case: Any, caller: str, known: str | None, asker: Asker
) -> None:
    if known is not None:
        for name in case.path_parameters:
            case.path_parameters[name] = known
    asker.ask(case, caller)
