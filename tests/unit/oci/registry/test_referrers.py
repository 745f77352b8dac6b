"""What is attached in a registry: with the API of referrers, with the fallback tag, and where the registry lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_layouts import add_image, add_index, fill, new_layout
from registry_simulator import INDEX, Exchange, Simulator, answers, changes

from builder.errors import EnvbuildError
from builder.oci.attachments import ATTACHMENT_LIMIT, MOST_ATTACHED, Attachment, Draft, write_attachment
from builder.oci.documents import MEDIA_TYPE_EMPTY, MEDIA_TYPE_MANIFEST, Descriptor, Index, Manifest
from builder.oci.layout import Layout
from builder.oci.registry import Reference
from builder.oci.registry.push import Origin, push, push_attached
from builder.oci.registry.referrers import Records, Repository, pull_attached, referrers
from builder.oci.store import Store

KIND = "application/vnd.in-toto+json"
RECORDS = [Attachment(KIND, KIND, b'{"number":%d}' % number, {"number": str(number)}) for number in range(5)]


class Place:
    """A repository with an image that records can be attached to."""

    def __init__(self, simulator: Simulator, registries: Any, folder: Path) -> None:
        self.simulator, self.registries = simulator, registries()
        self.layout = new_layout(folder / "image")
        self.subject = add_image(self.layout, "amd64", b"a")
        fill(simulator, "team/image", self.layout, self.subject, "1")
        self.reference = Reference.parse(f"{simulator.host}/team/image:1")
        self.repository = Repository(self.registries, self.reference, pushing=True)
        self.store = Store(folder / "store")
        self.store.create()

    def attach(self, *records: Attachment, subject: Descriptor | None = None) -> list[Descriptor]:
        draft, about = Draft(), subject or self.subject
        new = [write_attachment(draft, about, record) for record in records]
        push_attached(self.registries, self.reference, Origin(draft, attached={about.digest: new}))
        return new

    def listed(self) -> set[str]:
        return {str(entry.digest) for entry in referrers(self.repository, self.subject.digest).entries}

    def pull(self) -> Records:
        return pull_attached(self.repository, [self.subject.digest], self.store)

    @property
    def tag(self) -> str:
        return f"sha256-{self.subject.digest.hex}"

    def list_under_tag(self, *entries: Descriptor) -> None:
        self.simulator.add_manifest("team/image", Index(entries).to_bytes(), INDEX, self.tag)


@pytest.fixture(params=[True, False], ids=["api", "tag"])
def place(request: pytest.FixtureRequest, simulator: Simulator, registries: Any, tmp_path: Path) -> Place:
    simulator.lists_referrers = request.param
    return Place(simulator, registries, tmp_path)


@pytest.fixture
def with_api(simulator: Simulator, registries: Any, tmp_path: Path) -> Place:
    simulator.lists_referrers = True
    return Place(simulator, registries, tmp_path)


@pytest.fixture
def with_tag(simulator: Simulator, registries: Any, tmp_path: Path) -> Place:
    return Place(simulator, registries, tmp_path)


def test_what_is_attached_is_listed_and_comes_back_as_it_was(place: Place) -> None:
    assert place.pull() == Records()
    new = place.attach(*RECORDS)
    assert place.listed() == {str(entry.digest) for entry in new}
    pulled = place.pull()
    assert sorted(pulled.entries, key=lambda entry: entry.digest) == sorted(new, key=lambda entry: entry.digest)
    assert pulled.left == 0
    for entry in pulled.entries:
        assert place.store.manifest(entry).layers[0].media_type == KIND
    assert place.pull().fetched == 0


def test_the_tag_is_written_only_where_the_registry_keeps_no_list(place: Place) -> None:
    place.attach(*RECORDS)
    assert (place.tag in place.simulator.tags["team/image"]) is not place.simulator.lists_referrers
    assert len(place.simulator.asked(f"PUT .*/manifests/{place.tag}")) == (not place.simulator.lists_referrers)


def test_attaching_again_sends_nothing(place: Place) -> None:
    place.attach(*RECORDS)
    before = len(place.simulator.log)
    place.attach(*RECORDS[1:3])
    assert {record.method for record in place.simulator.log[before:]} == {"GET"}


def test_a_list_of_many_pages_is_read_to_its_end(with_api: Place) -> None:
    with_api.simulator.page = 2
    new = with_api.attach(*RECORDS)
    assert with_api.listed() == {str(entry.digest) for entry in new}
    assert len(with_api.simulator.asked("GET .*/referrers/.*start=")) == 2


def test_what_others_have_listed_under_the_tag_stays(with_tag: Place) -> None:
    other = Descriptor("application/vnd.example", with_tag.subject.digest, 3)
    with_tag.list_under_tag(other)
    new = with_tag.attach(*RECORDS[:2])
    data = with_tag.simulator.manifests["team/image"][with_tag.simulator.tags["team/image"][with_tag.tag]][1]
    assert Index.from_bytes(data).manifests == (other, *new)


def test_a_writer_who_got_in_between_is_noticed(with_tag: Place) -> None:
    """Whoever read the list before our entry was in it writes it after us, once."""
    other = Descriptor("application/vnd.example", with_tag.subject.digest, 3)

    def overwritten(exchange: Exchange) -> None:
        exchange.body()
        exchange.handler.wfile.flush()
        kept = exchange.answer

        def answer(*arguments: Any, **headers: str) -> bool:
            with_tag.list_under_tag(other)
            return kept(*arguments, **headers)

        exchange.answer = answer  # type: ignore[method-assign]

    with_tag.simulator.fail(f"PUT .*/manifests/{with_tag.tag}", overwritten)
    new = with_tag.attach(RECORDS[0])
    assert with_tag.listed() == {str(other.digest), str(new[0].digest)}


def test_a_registry_that_never_keeps_the_list_is_told(with_tag: Place) -> None:
    empty = INDEX, Index(()).to_bytes()
    with_tag.list_under_tag()

    def forgets(exchange: Exchange) -> bool:
        exchange.body()
        return exchange.answer(201, Docker_Content_Digest="sha256:" + "0" * 64)

    with_tag.simulator.fail(f"PUT .*/manifests/{with_tag.tag}", forgets, times=99)
    with pytest.raises(EnvbuildError, match="does not keep what is attached"):
        with_tag.attach(RECORDS[0])
    assert empty in with_tag.simulator.manifests["team/image"].values()


@pytest.mark.parametrize("status", [400, 405, 406])
def test_a_registry_that_refuses_the_question_has_no_api(status: int, with_tag: Place) -> None:
    with_tag.simulator.fail("GET .*/referrers/", answers(status), times=99)
    new = with_tag.attach(RECORDS[0])
    assert with_tag.listed() == {str(new[0].digest)}


def test_a_page_for_people_is_no_list(with_tag: Place) -> None:
    with_tag.simulator.lists_referrers = True
    with_tag.simulator.fail("GET .*/referrers/", changes(more={"Content-Type": "text/html"}), times=99)
    with_tag.list_under_tag()
    assert with_tag.listed() == set()


def test_a_registry_that_lists_and_does_not_say_so_gets_no_tag(with_api: Place) -> None:
    with_api.simulator.fail("PUT .*/manifests/", changes(more={"OCI-Subject": ""}), times=99)
    with_api.attach(*RECORDS)
    assert with_api.tag not in with_api.simulator.tags["team/image"]


def test_a_tag_is_set_when_all_that_is_attached_is_listed(place: Place, tmp_path: Path) -> None:
    layout = new_layout(tmp_path / "other")
    top = add_index(layout, add_image(layout, "amd64", b"b"))
    entry = write_attachment(layout, top, RECORDS[0])
    origin = Origin(layout, attached={top.digest: [entry]})
    pushed = push(place.registries, place.reference, top, origin, ["2"])
    asked = [record.path.rpartition("/")[2] for record in place.simulator.asked("PUT .*/manifests/")]
    assert asked[-1] == "2"
    assert str(entry.digest) in asked
    assert [entry.digest for entry in referrers(place.repository, top.digest).entries] == [entry.digest]
    assert pushed.sent > 0
    before = len(place.simulator.log)
    assert push(place.registries, place.reference, top, origin, ["2"]).sent == 0
    assert [record.method for record in place.simulator.log[before:]].count("PUT") == 1


# lies


def foreign(place: Place) -> Descriptor:
    """A record that is attached to something else in the same repository."""
    other = add_image(place.layout, "arm64", b"c")
    fill(place.simulator, "team/image", place.layout, other, "other")
    return place.attach(RECORDS[0], subject=other)[0]


def about_another(place: Place, entry: Descriptor) -> list[Any]:
    return [foreign(place).to_dict()]


def of_another_size(place: Place, entry: Descriptor) -> list[Any]:
    return [entry.to_dict() | {"digest": str(foreign(place).digest), "size": entry.size + 1}]


def with_other_bytes(place: Place, entry: Descriptor) -> list[Any]:
    other = place.attach(RECORDS[1])[0]
    kind, data = place.simulator.manifests["team/image"][str(other.digest)]
    place.simulator.manifests["team/image"][str(other.digest)] = kind, data.replace(b"in-toto", b"in-tutu")
    return [other.to_dict()]


def attached_to_itself(place: Place, entry: Descriptor) -> list[Any]:
    return [place.subject.to_dict()]


def that_is_not_there(place: Place, entry: Descriptor) -> list[Any]:
    return [entry.to_dict() | {"digest": f"sha256:{1:064x}"}]


def that_is_no_manifest(place: Place, entry: Descriptor) -> list[Any]:
    data = b'{"schemaVersion":2,"subject":[]}'
    digest = place.simulator.add_manifest("team/image", data, MEDIA_TYPE_MANIFEST)
    return [entry.to_dict() | {"digest": digest, "size": len(data)}]


def without_its_blob(place: Place, entry: Descriptor) -> list[Any]:
    draft = Draft()
    other = write_attachment(draft, place.subject, RECORDS[2])
    place.simulator.add_manifest("team/image", draft.read(other), MEDIA_TYPE_MANIFEST)
    return [other.to_dict()]


def of_another_algorithm(place: Place, entry: Descriptor) -> list[Any]:
    return [entry.to_dict() | {"digest": f"sha512:{1:0128x}"}]


def that_is_no_descriptor(place: Place, entry: Descriptor) -> list[Any]:
    return ["x"]


@pytest.mark.parametrize(
    "make",
    [
        about_another, of_another_size, with_other_bytes, attached_to_itself, that_is_not_there, that_is_no_manifest,
        without_its_blob, of_another_algorithm, that_is_no_descriptor,
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_what_a_stranger_lists_keeps_nobody_from_what_is_good(
    first: bool, make: Callable[[Place, Descriptor], list[Any]], with_tag: Place
) -> None:
    entry = with_tag.attach(RECORDS[0])[0]
    entries = [entry.to_dict(), *make(with_tag, entry)]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries[::-1] if first else entries}
    with_tag.simulator.add_manifest("team/image", json.dumps(document).encode(), INDEX, with_tag.tag)
    pulled = with_tag.pull()
    assert (list(pulled.entries), pulled.left) == ([entry], 1)


@pytest.mark.parametrize("page", [20_000, 70])
def test_of_a_list_without_end_the_beginning_is_taken(page: int, with_api: Place) -> None:
    with_api.simulator.made_up = [
        {"mediaType": "text/plain", "digest": f"sha256:{number:064x}", "size": 3} for number in range(MOST_ATTACHED + 1)
    ]
    with_api.simulator.page = page
    listed = referrers(with_api.repository, with_api.subject.digest)
    assert (len(listed.entries), len(listed.unread)) == (MOST_ATTACHED, 1)
    assert with_api.pull().left == MOST_ATTACHED + 1


def test_a_list_of_more_than_a_document_is_refused(with_api: Place) -> None:
    with_api.simulator.made_up = [
        {"mediaType": MEDIA_TYPE_MANIFEST, "digest": f"sha256:{number:064x}", "size": 3} for number in range(100_000)
    ]
    with_api.simulator.page = 100_000
    with pytest.raises(EnvbuildError, match="more than 4194304 bytes"):
        with_api.pull()


def test_pages_that_lead_in_a_circle_end(with_api: Place) -> None:
    link = {"Link": f'</v2/team/image/referrers/{with_api.subject.digest}>; rel="next"'}
    with_api.simulator.fail("GET .*/referrers/", changes(more=link), times=10_000)
    with pytest.raises(EnvbuildError, match="has too much attached"):
        with_api.listed()
    assert len(with_api.simulator.asked("GET .*/referrers/")) <= 101


def test_no_other_host_is_asked_for_the_rest(with_api: Place) -> None:
    link = {"Link": '<http://127.0.0.2:1/v2/list>; rel="next"'}
    with_api.simulator.fail("GET .*/referrers/", changes(more=link))
    with pytest.raises(EnvbuildError, match="another host"):
        with_api.listed()


def test_a_tag_that_is_no_list_is_told(with_tag: Place) -> None:
    simulator = with_tag.simulator
    simulator.tags["team/image"][with_tag.tag] = str(with_tag.subject.digest)
    with pytest.raises(EnvbuildError, match=r"what is attached to .* cannot be read"):
        with_tag.listed()


def two_blobs(layout: Layout, subject: Descriptor) -> Manifest:
    blob = Descriptor(KIND, layout.write(b"x"), 1)
    return Manifest(Descriptor(MEDIA_TYPE_EMPTY, layout.write(b"{}"), 2), (blob, blob), {}, KIND, subject)


def large(layout: Layout, subject: Descriptor) -> Manifest:
    blob = Descriptor(KIND, layout.write(b"x"), ATTACHMENT_LIMIT + 1)
    return Manifest(Descriptor(MEDIA_TYPE_EMPTY, layout.write(b"{}"), 2), (blob,), {}, KIND, subject)


@pytest.mark.parametrize("make", [two_blobs, large])
def test_what_is_of_another_form_stays_in_the_registry(
    make: Callable[[Layout, Descriptor], Manifest], with_api: Place
) -> None:
    new = with_api.attach(RECORDS[0])
    data = make(with_api.layout, with_api.subject).to_bytes()
    with_api.simulator.add_manifest("team/image", data, MEDIA_TYPE_MANIFEST)
    pulled = with_api.pull()
    assert (list(pulled.entries), pulled.left) == (new, 1)


def test_what_is_no_manifest_stays_in_the_registry(with_api: Place) -> None:
    with_api.simulator.made_up = [{"mediaType": "text/plain", "digest": f"sha256:{1:064x}", "size": 1}]
    assert with_api.pull().left == 1
