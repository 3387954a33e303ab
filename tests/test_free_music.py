"""Free music comes out of Debian packages: built here, in a package source on disk."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hybridrec.datasets import debian
from hybridrec.datasets.free_music import FetchReport, FreeTrack, fetch_free_music, read_free_music
from hybridrec.errors import InvalidInput, NotReady

SCRIPT = Path(__file__).parents[1] / "scripts" / "fetch_free_music.py"
PLAIN = "csmash-demosong"  # one track of the table
PLAIN_PATH = "usr/share/games/csmash/danslatristesse2-48.ogg"
ZIPPED = "mrrescue"  # seven tracks of the table, all inside the package's zip archive
SOUND = b"OggS, let us say"


class PackageSource:
    """A package source on disk with its own apt settings; no network, no root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.apt_config = root / "apt.conf"
        self._debs = root / "source"
        for folder in ("source", "etc", "state/lists/partial", "cache/archives/partial"):
            (root / folder).mkdir(parents=True)
        (root / "state" / "status").touch()
        (root / "etc" / "sources.list").write_text(f"deb [trusted=yes] copy:{self._debs} ./\n")
        self.apt_config.write_text(
            f'Dir::State "{root}/state"; Dir::State::status "{root}/state/status"; '
            f'Dir::Cache "{root}/cache";'
            f'Dir::Etc::sourcelist "{root}/etc/sources.list"; Dir::Etc::sourceparts "-";'
            'APT::Sandbox::User "root"; Acquire::Languages "none";'
        )

    def add(self, package: str, files: dict[str, bytes | Path]) -> Path:
        """Build a package of these files (a `Path` becomes a symbolic link to it) and list it."""
        tree = self.root / f"{package}-tree"
        for name, content in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                (tree / name).symlink_to(content)
            else:
                (tree / name).write_bytes(content)
        (tree / "DEBIAN").mkdir()
        control = (
            f"Package: {package}\nVersion: 2:1.0-3\nArchitecture: all\n"
            "Maintainer: T <t@example.org>\nDescription: t\n"
        )
        (tree / "DEBIAN" / "control").write_text(control)
        deb = self._debs / f"{package}.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb],
            check=True,
            capture_output=True,
        )
        content = deb.read_bytes()
        with (self._debs / "Packages").open("a") as packages:
            digest = hashlib.sha256(content).hexdigest()
            packages.write(
                f"{control}Filename: ./{deb.name}\nSize: {len(content)}\nSHA256: {digest}\n\n"
            )
        return deb

    def update(self) -> None:
        """What `apt-get update` does for the machine, done for this source."""
        subprocess.run(
            ["apt-get", "update"],
            check=True,
            capture_output=True,
            env={"APT_CONFIG": str(self.apt_config)},
        )


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageSource:
    if shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None:
        pytest.skip("needs dpkg-deb and apt-get: this is not Debian or Ubuntu")
    source = PackageSource(tmp_path / "mirror")
    monkeypatch.setenv("APT_CONFIG", str(source.apt_config))
    return source


@pytest.fixture
def music(tmp_path: Path) -> Path:
    return tmp_path / "music"


def archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return packed.getvalue()


def fetch(music: Path, *packages: str, **options: Any) -> FetchReport:
    return fetch_free_music(music, packages=packages, progress=False, **options)


def files_below(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def manifest_of(music: Path) -> list[dict[str, str]]:
    with (music / "manifest.tsv").open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def test_a_soundtrack_is_taken_out_of_its_package_and_described(
    source: PackageSource, music: Path
) -> None:
    source.add(PLAIN, {PLAIN_PATH: SOUND, "usr/share/doc/readme": b"not asked for"})
    source.update()

    report = fetch(music, PLAIN)

    assert (report.fetched, report.skipped_present, report.missing) == (1, 0, [])
    track = f"{PLAIN}/csmash__danslatristesse2-48.ogg"
    assert files_below(music) == {track, "manifest.tsv"}
    assert (music / track).read_bytes() == SOUND
    (row,) = manifest_of(music)
    assert row == {
        "file": track,
        "collection": "csmash-demosong",
        "artist": "Hideaki Tanabe",
        "title": "Dans la tristesse",
        "genre": "",
        "licence": "EFF-OAL-1.0",
        "split": "train",
        "source": f"{PLAIN}=2:1.0-3",
    }


def test_tracks_inside_the_packages_own_archive_are_found_and_hostile_names_are_not_written(
    source: PackageSource, music: Path
) -> None:
    members = {
        "../../evil.ogg": b"evil",
        "/etc/evil.ogg": b"evil",
        "data/sfx/../../../bundesliga.ogg": b"evil",
        "data/sfx/bundesliga.ogg": SOUND,
    }
    source.add(ZIPPED, {"usr/share/games/mrrescue/mrrescue.love": archive(members)})
    source.update()

    report = fetch(music, ZIPPED)

    assert files_below(music) == {f"{ZIPPED}/data__sfx__bundesliga.ogg", "manifest.tsv"}
    assert (music / ZIPPED / "data__sfx__bundesliga.ogg").read_bytes() == SOUND
    assert not list(music.parent.rglob("evil*"))
    assert report.fetched == 1
    assert len(report.missing) == 6
    assert (ZIPPED, "version 2:1.0-3 has no zip/data/sfx/menujazz.ogg") in report.missing


def test_a_package_that_is_gone_is_said_and_the_others_come(
    source: PackageSource, music: Path
) -> None:
    source.add(PLAIN, {PLAIN_PATH: SOUND})
    source.update()

    report = fetch(music, PLAIN, ZIPPED)

    assert report.fetched == 1
    assert report.missing == [(ZIPPED, "no such package in this machine's package lists")]


def test_a_package_that_the_mirror_lists_but_does_not_give_is_said(
    source: PackageSource, music: Path
) -> None:
    deb = source.add(PLAIN, {PLAIN_PATH: SOUND})
    source.update()
    deb.unlink()

    ((package, why),) = fetch(music, PLAIN).missing

    assert package == PLAIN
    assert why.startswith("could not download: E: ")
    assert files_below(music) == {"manifest.tsv"}


@pytest.mark.parametrize(
    "content", [b"no zip at all", archive({"data/sfx/other.ogg": SOUND})], ids=["damaged", "other"]
)
def test_an_archive_that_does_not_hold_the_track_is_said(
    source: PackageSource, music: Path, content: bytes
) -> None:
    source.add(ZIPPED, {"usr/share/games/mrrescue/mrrescue.love": content})
    source.update()

    report = fetch(music, ZIPPED, limit=1)

    assert report.fetched == 0
    assert report.missing == [(ZIPPED, "version 2:1.0-3 has no zip/data/sfx/bundesliga.ogg")]


def test_a_link_in_place_of_a_track_is_not_followed(source: PackageSource, music: Path) -> None:
    source.add(PLAIN, {PLAIN_PATH: Path("/etc/hostname")})
    source.update()

    assert fetch(music, PLAIN).missing == [(PLAIN, f"version 2:1.0-3 has no {PLAIN_PATH}")]


def test_a_track_that_swells_beyond_bounds_is_not_written(
    source: PackageSource, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.add(PLAIN, {PLAIN_PATH: bytes(2000)})
    source.add(
        ZIPPED,
        {
            "usr/share/games/mrrescue/mrrescue.love": archive(
                {"data/sfx/bundesliga.ogg": bytes(2000)}
            )
        },
    )
    source.update()
    monkeypatch.setattr(debian, "MAX_FILE_BYTES", 1000)

    assert fetch(music, PLAIN, ZIPPED).fetched == 0
    assert files_below(music) == {"manifest.tsv"}


def test_an_interrupted_fetch_goes_on_and_what_is_there_is_not_downloaded_again(
    source: PackageSource, music: Path
) -> None:
    names = [
        Path(track.path_in_package).name for track in read_free_music() if track.package == ZIPPED
    ]
    love = archive({f"data/sfx/{name}": SOUND + name.encode() for name in names})
    deb = source.add(ZIPPED, {"usr/share/games/mrrescue/mrrescue.love": love})
    source.update()
    first = fetch(music, ZIPPED, limit=3)
    (music / ".fetching").mkdir()  # what a fetch that was killed leaves behind
    (music / ".fetching" / "mrrescue_1_all.deb").write_bytes(b"half a package")
    kept = {path: path.stat().st_mtime_ns for path in (music / ZIPPED).iterdir()}

    second = fetch(music, ZIPPED)
    deb.unlink()
    third = fetch(music, ZIPPED)

    assert (first.fetched, first.skipped_present) == (3, 0)
    assert (second.fetched, second.skipped_present, second.missing) == (4, 3, [])
    assert (third.fetched, third.skipped_present, third.missing) == (0, 7, [])
    assert all(path.stat().st_mtime_ns == changed for path, changed in kept.items())
    assert len(manifest_of(music)) == 7
    assert not (music / ".fetching").exists()


def test_small_packages_come_first_so_that_a_few_tracks_are_there_soon(
    source: PackageSource, music: Path
) -> None:
    love = archive({"data/sfx/bundesliga.ogg": SOUND})
    source.add(
        ZIPPED, {"usr/share/games/mrrescue/mrrescue.love": love, "usr/share/big": bytes(100_000)}
    )
    source.add(PLAIN, {PLAIN_PATH: SOUND})
    source.update()

    fetch(music, ZIPPED, PLAIN, limit=1)

    assert [row["file"].split("/")[0] for row in manifest_of(music)] == [PLAIN]


def test_empty_package_lists_are_said_with_the_command_that_fills_them(
    source: PackageSource, music: Path
) -> None:
    with pytest.raises(NotReady, match="run `sudo apt-get update` once"):
        fetch(music, PLAIN)


def test_a_machine_without_apt_is_told_so(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(NotReady, match="use Debian or Ubuntu"):
        fetch(music, PLAIN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "test"}, "unknown split; got 'test'; use one of train, train-aux, eval"),
        ({"packages": ["bash"]}, "no such package in free_music.tsv; got 'bash'"),
        ({"packages": ["tomatoes-data"]}, "nothing in that split; name their split"),
        ({"packages": [PLAIN], "split": "eval"}, "nothing in that split; got 'eval'"),
        ({"limit": 0}, "limit must be 1 or more; got 0"),
    ],
)
def test_wrong_questions_are_refused(music: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        fetch_free_music(music, **options)


def test_the_script_fetches_and_reports(source: PackageSource, music: Path) -> None:
    source.add(PLAIN, {PLAIN_PATH: SOUND})
    source.update()

    command = [
        sys.executable,
        str(SCRIPT),
        str(music),
        "--package",
        PLAIN,
        "--package",
        ZIPPED,
        "--no-progress",
    ]
    answer = subprocess.run(command, capture_output=True, text=True)

    assert answer.returncode == 0
    assert answer.stdout.startswith("1 tracks fetched, 0 there already; see ")
    assert answer.stderr == f"missing: {ZIPPED}: no such package in this machine's package lists\n"


def test_no_artist_and_no_collection_is_on_both_sides_of_the_split() -> None:
    tracks = read_free_music()
    trained = [track for track in tracks if track.split != "eval"]
    evaluated = [track for track in tracks if track.split == "eval"]

    def artists(side: list[FreeTrack]) -> set[str]:
        return {
            name.strip().casefold()
            for track in side
            for name in track.artist.split(";")
            if name.strip()
        }

    assert len(evaluated) == 330
    assert {track.split for track in trained} == {"train", "train-aux"}
    assert not {track.collection for track in trained} & {track.collection for track in evaluated}
    assert not artists(trained) & artists(evaluated)


def test_every_track_of_the_table_has_a_licence_a_length_and_a_place_of_its_own() -> None:
    tracks = read_free_music()

    assert len(tracks) == len({track.file for track in tracks}) == 1174
    assert all(track.licence and track.seconds > 0 for track in tracks)
    assert all(track.file.count("/") == 1 and ".." not in track.file for track in tracks)
