"""Downloads from a server of this test, which misbehaves in the usual ways."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from napari_unet_studio import download_model as us_download
from napari_unet_studio import models as us_models
from napari_unet_studio.core.errors import (
    ConfigError,
    ModelFileError,
    StorageError,
    StudioError,
)
from napari_unet_studio.core.networks.catalog import build
from napari_unet_studio.core.networks.unet import UNetSpec
from napari_unet_studio.io.download import Interrupted, Unreachable
from napari_unet_studio.io.model import Model, ModelCard
from napari_unet_studio.io.model_file import read_card
from napari_unet_studio.io.model_list import cached_list, listed_models, parse_list
from napari_unet_studio.io.places import user_folder
from napari_unet_studio.io.registry import available_models, models_folder
from napari_unet_studio.io.settings import Settings, write_settings
from napari_unet_studio.tasks import download as downloads
from napari_unet_studio.tasks import fetch
from napari_unet_studio.tasks.download import download, download_model, fetch_lists
from napari_unet_studio.tasks.progress import run

DATA = bytes(range(256)) * 4000  # a megabyte
DIGEST = hashlib.sha256(DATA).hexdigest()


@dataclass
class Site:
    """What the server serves, how it behaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    etag: str = '"one"'
    length: bool = True
    heeds: bool = True  # what tells versions apart
    drop: list[int] = field(default_factory=list)  # bytes after which it hangs up
    status: int = 0
    range_says: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        self.asked.append((handler.path, asked))
        path = handler.path.partition("?")[0]
        if path in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[path])
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        data = self.files.get(path)
        if self.status or data is None:
            handler.send_error(self.status or 404)
            return
        same = handler.headers.get("If-Range", self.etag) == self.etag or not self.heeds
        start = int(asked[6:-1]) if asked and self.ranges and same else 0
        if start and start >= len(data):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            says = self.range_says or f"bytes {start}-{len(data) - 1}/{len(data)}"
            handler.send_header("Content-Range", says)
        if self.length:
            handler.send_header("Content-Length", str(len(data) - start))
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.end_headers()
        end = len(data)
        if self.drop:
            end = min(end, start + self.drop.pop(0))
        handler.wfile.write(data[start:end])
        handler.close_connection = True


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(fetch, "_PAUSE", 0.01)
    site = Site(files={"/data.bin": DATA})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):  # it had enough
                site.answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("UNET_STUDIO_HOME", str(folder))
    return folder


@pytest.fixture
def file(tmp_path):
    return tmp_path / "got" / "data.bin"


def part(file):
    return file.with_name(f"{file.name}.part")


def left(file):
    return sorted(p.name for p in file.parent.iterdir()) if file.parent.exists() else []


# -- one file ------------------------------------------------------------------------


def test_a_file_comes_whole_with_progress(site, file) -> None:
    records = []
    found = run(download(f"{site.url}/data.bin", file, sha256=DIGEST), records.append)
    assert found == file
    assert file.read_bytes() == DATA
    assert left(file) == ["data.bin"]
    assert all(0 <= r.step <= r.total for r in records)
    assert any("of 1.0 MB" in r.message for r in records)


def test_a_file_of_unknown_length_comes_too(site, file) -> None:
    site.length = False
    run(download(f"{site.url}/data.bin", file))
    assert file.read_bytes() == DATA


def test_a_dropped_connection_is_gone_on_from(site, file) -> None:
    site.drop = [300_000, 5, 0, 200_000]
    run(download(f"{site.url}/data.bin", file, sha256=DIGEST))
    assert file.read_bytes() == DATA
    begins = [asked for _, asked in site.asked]
    assert begins == ["", "bytes=300000-", *["bytes=300005-"] * 2, "bytes=500005-"]


def test_a_server_that_always_hangs_up_ends_in_a_sentence_and_keeps_what_came(
    site, file
) -> None:
    site.drop = [300_000, *[0] * 20]
    with pytest.raises(Interrupted, match="broke off at byte 300000 of 1024000"):
        run(download(f"{site.url}/data.bin", file, sha256=DIGEST))
    assert part(file).stat().st_size == 300_000
    assert not file.exists()
    site.drop = []
    site.asked.clear()
    run(download(f"{site.url}/data.bin", file, sha256=DIGEST))
    assert site.asked == [("/data.bin", "bytes=300000-")]
    assert file.read_bytes() == DATA
    assert left(file) == ["data.bin"]


def test_a_stopped_download_is_gone_on_from(site, file, monkeypatch) -> None:
    monkeypatch.setattr(fetch, "_OFTEN", 0)
    task = download(
        f"{site.url}/data.bin", file, should_stop=lambda: bool(part(file).exists())
    )
    assert run(task) is None
    task = download(f"{site.url}/data.bin", file)
    assert run(task) == file
    assert file.read_bytes() == DATA


def test_a_server_without_ranges_begins_anew(site, file) -> None:
    site.ranges = False
    site.drop = [300_000]
    run(download(f"{site.url}/data.bin", file, sha256=DIGEST))
    assert [asked for _, asked in site.asked] == ["", "bytes=300000-"]
    assert file.read_bytes() == DATA


@pytest.mark.parametrize("heeds", [True, False])
def test_another_version_of_the_file_begins_anew(site, file, heeds) -> None:
    site.heeds = heeds
    site.drop = [300_000, *[0] * 20]
    with pytest.raises(Interrupted):
        run(download(f"{site.url}/data.bin", file))
    site.drop, site.etag = [], '"two"'
    site.files["/data.bin"] = DATA[::-1]
    run(download(f"{site.url}/data.bin", file))
    assert file.read_bytes() == DATA[::-1]


def test_a_beginning_that_nothing_vouches_for_is_not_gone_on_from(site, file) -> None:
    site.etag = ""
    site.drop = [300_000, *[0] * 20]
    with pytest.raises(Interrupted):
        run(download(f"{site.url}/data.bin", file))
    site.drop = []
    site.asked.clear()
    run(download(f"{site.url}/data.bin", file))
    assert site.asked == [("/data.bin", "")]
    assert file.read_bytes() == DATA


def test_a_beginning_of_another_file_is_not_gone_on_from(site, file) -> None:
    site.files["/other.bin"] = DATA[::-1]
    site.drop = [300_000, *[0] * 20]
    with pytest.raises(Interrupted):
        run(download(f"{site.url}/other.bin", file))
    site.drop = []
    run(download(f"{site.url}/data.bin", file))
    assert file.read_bytes() == DATA


def test_a_beginning_longer_than_the_file_begins_anew(site, file) -> None:
    site.files["/data.bin"] = DATA[:2000]
    run(download(f"{site.url}/data.bin", file))  # to learn what is kept beside a part
    part(file).write_bytes(b"x" * 5000)
    facts = {"url": f"{site.url}/data.bin", "validator": site.etag}
    part(file).with_name("data.bin.part.json").write_text(json.dumps(facts))
    run(download(f"{site.url}/data.bin", file))
    assert file.read_bytes() == DATA[:2000]


@pytest.mark.parametrize("says", ["", "bytes", "bytes x-1/2", "lines 5-9/20"])
def test_a_part_that_does_not_say_where_it_belongs_is_refused(site, file, says) -> None:
    site.drop = [300_000]
    site.range_says = says or "nonsense"
    with pytest.raises(StorageError, match="does not say which"):
        run(download(f"{site.url}/data.bin", file))
    assert not file.exists()


def test_a_server_that_lies_about_the_place_is_given_up(site, file) -> None:
    site.drop = [300_000]
    site.range_says = f"bytes 0-{len(DATA) - 1}/{len(DATA)}"
    with pytest.raises(StudioError):
        run(download(f"{site.url}/data.bin", file, sha256=DIGEST))
    assert not file.exists()


def test_another_digest_is_refused_and_not_kept(site, file) -> None:
    with pytest.raises(ModelFileError, match="its SHA-256 begins with"):
        run(download(f"{site.url}/data.bin", file, sha256="0" * 64))
    assert left(file) == []


@pytest.mark.parametrize("size", [10, len(DATA) - 1, len(DATA) + 1])
@pytest.mark.parametrize("length", [True, False])
def test_another_size_than_the_list_says_is_refused(site, file, size, length) -> None:
    site.length = length
    with pytest.raises(ModelFileError, match=f"{size} are expected"):
        run(download(f"{site.url}/data.bin", file, size=size))
    assert left(file) == []


@pytest.mark.parametrize("length", [True, False])
def test_more_than_the_limit_is_refused(site, file, length) -> None:
    site.length = length
    with pytest.raises(StorageError, match="allow more in the settings"):
        run(download(f"{site.url}/data.bin", file, limit=500_000))
    assert left(file) == []
    write_settings(Settings(download_limit=0.001))
    with pytest.raises(StorageError, match=r"may have 0\.001 GB"):
        run(download(f"{site.url}/data.bin", file))
    with pytest.raises(StorageError, match="in the settings"):
        run(download(f"{site.url}/data.bin", file, size=len(DATA)))


@pytest.mark.parametrize("status", [403, 404, 410, 500, 503])
def test_a_refusal_of_the_server_is_a_sentence(site, file, status) -> None:
    site.status = status
    with pytest.raises(StorageError, match=f"the server answers {status}"):
        run(download(f"{site.url}/data.bin", file))
    assert left(file) == []


def test_a_redirect_on_the_web_is_followed(site, file) -> None:
    site.redirects["/old"] = "/data.bin?download=1"
    run(download(f"{site.url}/old", file, sha256=DIGEST))
    assert file.read_bytes() == DATA


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://a.org/x", "data:,hello", "/round"]
)
def test_a_redirect_off_the_web_is_refused(site, file, place) -> None:
    site.redirects["/round"] = place
    with pytest.raises(StorageError, match="not a safe place on the web"):
        run(download(f"{site.url}/round", file))
    assert left(file) == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://a.org/x", "data.bin", "", "http://", "http:// x"],
)
def test_only_addresses_on_the_web_are_asked(url, file) -> None:
    with pytest.raises(ConfigError, match="no address on the web"):
        run(download(url, file))


def test_without_a_server_a_sentence_says_so(site, file) -> None:
    with pytest.raises(Unreachable, match="Check the network"):
        run(download("http://127.0.0.1:1/data.bin", file))
    with pytest.raises(StorageError, match="cannot be reached"):
        run(download("http://user:word@127.0.0.1:1/x", file))


def test_a_server_that_does_not_speak_http_is_a_sentence(tmp_path, file) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def speak() -> None:
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0\r\n\r\n" * 5)

        thread = threading.Thread(target=speak)
        thread.start()
        with pytest.raises(StorageError):
            run(download(f"http://127.0.0.1:{port}/a", file))
        thread.join()


def test_a_silent_server_is_given_up(file) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a"
        with pytest.raises(StorageError, match="cannot be reached"):
            run(download(url, file, timeout=0.1))


def test_a_folder_that_cannot_be_written_is_a_sentence(site, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        run(download(f"{site.url}/data.bin", tmp_path / "file" / "data.bin"))


@pytest.mark.parametrize("sha256", ["abc", "g" * 64])
def test_a_digest_that_is_none_is_refused(site, file, sha256) -> None:
    with pytest.raises(ConfigError, match="no SHA-256 digest"):
        run(download(f"{site.url}/data.bin", file, sha256=sha256))


# -- lists and models ----------------------------------------------------------------


def model_bytes(tmp_path, name="bacteria") -> bytes:
    spec = UNetSpec(channels=(2, 3))
    card = ModelCard(name=name, spec=spec, description="Bacteria: 3 images.")
    return Model(build(spec), card).save(tmp_path / "made.unet", half=True).read_bytes()


@pytest.fixture
def listed(site, tmp_path):
    """Serve a list with one model, and set it."""
    data = model_bytes(tmp_path)
    site.files["/models/b.unet"] = data
    entry = {
        "name": "rods",
        "url": "b.unet",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "description": "Bacteria: 3 images.",
        "licence": "CC0-1.0",
    }
    write(site, entry)
    url = f"{site.url}/models/list.json"
    write_settings(Settings(model_lists=(url,)))
    return entry


def write(site, *entries, **fields) -> None:
    document = {"schema": 1, "name": "Ours", "models": list(entries), **fields}
    site.files["/models/list.json"] = json.dumps(document).encode()


def test_a_listed_model_is_offered_downloaded_and_then_at_hand(site, listed) -> None:
    assert [e.name for e in us_models()] == [
        "nuclei",
        "stained-nuclei",
    ]  # nothing asked of the network
    assert site.asked == []
    offered = us_models(refresh=True)[-1]
    assert (offered.name, offered.source, offered.path) == ("rods", "list", None)
    assert offered.purpose == "Bacteria"
    assert offered.listed.url == f"{site.url}/models/b.unet"
    model = us_download("rods")
    assert model.name == "rods"
    assert model.card.origin["sha256"] == listed["sha256"]
    assert model.card.origin["url"] == offered.listed.url
    assert list(available_models()) == ["nuclei", "stained-nuclei", "rods"]
    assert [e.name for e in us_models()] == ["nuclei", "stained-nuclei", "rods"]
    assert list((user_folder() / "downloads").iterdir()) == []


def test_a_model_is_downloaded_once(site, listed) -> None:
    run(download_model("rods"))
    site.asked.clear()
    site.status = 500
    assert run(download_model("rods")) == models_folder() / "rods.unet"
    assert site.asked == []


def test_a_model_at_an_address_keeps_its_name_or_gets_another(site, tmp_path) -> None:
    site.files["/some/b.unet"] = model_bytes(tmp_path)
    first = run(download_model(f"{site.url}/some/b.unet"))
    assert first.name == "bacteria.unet"
    second = run(download_model(f"{site.url}/some/b.unet?v=2", name="mine"))
    assert second.name == "mine.unet"
    assert read_card(second).name == "mine"


def test_a_model_file_is_known_by_its_content(site, tmp_path) -> None:
    site.files["/records/5/files/model/content"] = model_bytes(tmp_path)
    path = run(download_model(f"{site.url}/records/5/files/model/content"))
    assert path.name == "bacteria.unet"


def test_what_is_no_model_is_not_kept(site) -> None:
    site.files["/b.unet"] = b"<html>Log in first</html>"
    with pytest.raises(ModelFileError, match="not a usable model file"):
        run(download_model(f"{site.url}/b.unet"))
    assert list(available_models()) == ["nuclei", "stained-nuclei"]
    assert list((user_folder() / "downloads").iterdir()) == []


def test_a_listed_model_that_was_replaced_on_the_web_is_refused(site, listed) -> None:
    site.files["/models/b.unet"] = site.files["/models/b.unet"][::-1]
    with pytest.raises(ModelFileError, match="SHA-256"):
        run(download_model("rods"))
    assert list(available_models()) == ["nuclei", "stained-nuclei"]


def test_an_unknown_name_is_refused_with_the_listed_ones(listed) -> None:
    with pytest.raises(ModelFileError, match=r"names 'cones'; listed are rods"):
        run(download_model("cones"))
    write_settings(Settings())
    with pytest.raises(ModelFileError, match="listed are none"):
        run(download_model("rods"))


def test_a_digest_that_contradicts_the_list_is_refused(site, listed) -> None:
    lists = [f"{site.url}/models/list.json"]
    with pytest.raises(ConfigError, match="has another SHA-256"):
        run(download_model("rods", sha256="0" * 64, lists=lists))


def test_offline_the_list_is_as_it_was_last(site, listed) -> None:
    run(fetch_lists())
    site.status = 503
    fetched = run(fetch_lists())
    assert [m.name for m in fetched.models] == ["rods"]
    assert "shown as it was last seen" in fetched.notes[0]
    assert [m.name for m in listed_models()] == ["rods"]


def test_offline_without_a_list_there_is_a_note_and_no_error() -> None:
    write_settings(Settings(model_lists=("http://127.0.0.1:1/list.json",)))
    fetched = run(fetch_lists())
    assert fetched.models == ()
    assert "cannot be reached" in fetched.notes[0]
    assert [e.name for e in us_models(refresh=True)] == ["nuclei", "stained-nuclei"]


def test_lists_are_asked_until_stopped(site, listed) -> None:
    assert run(fetch_lists(should_stop=lambda: True)) is None
    assert site.asked == []


GOOD = {"name": "a", "url": "https://a.org/a.unet", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no schema version"),
        ({"models": []}, "no schema version"),
        ({"schema": 2, "models": []}, "Update napari-unet-studio"),
        ({"schema": 1}, "names no models"),
        ({"schema": 1, "models": [5]}, "no JSON object"),
        ({"schema": 1, "models": [GOOD, GOOD]}, "names 'a' twice"),
        ({"schema": 1, "models": [{**GOOD, "name": "../a"}]}, "cannot be that of a"),
        ({"schema": 1, "models": [{**GOOD, "name": 5}]}, "no text"),
        ({"schema": 1, "models": [{**GOOD, "url": "file:///a"}]}, "no address"),
        ({"schema": 1, "models": [{**GOOD, "sha256": "0"}]}, "no SHA-256"),
        ({"schema": 1, "models": [{**GOOD, "size": -1}]}, "the size -1"),
        ({"schema": 1, "models": [{**GOOD, "size": True}]}, "the size True"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(document, message) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(ModelFileError, match=message):
        parse_list(text.encode(), "https://a.org/list.json")


def test_a_list_of_an_endless_server_is_refused(site, monkeypatch) -> None:
    from napari_unet_studio.io import model_list

    monkeypatch.setattr(downloads, "LARGEST", 1000)
    monkeypatch.setattr(model_list, "LARGEST", 1000)
    fetched = run(fetch_lists([f"{site.url}/data.bin"]))
    assert "more than 1000 bytes" in fetched.notes[0]
    assert cached_list(f"{site.url}/data.bin") is None
