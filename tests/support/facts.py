"""Facts that vendors state, out of ``tests/facts/*.toml``, and what holds them against adapter and sandbox."""

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import adapter_for, open_store
from oms_engine import errors
from oms_engine.model import Credentials, RestoreTier, Secret, Span, WrittenPart
from oms_engine.store import Reply

FOLDER = Path(__file__).parent.parent / "facts"
KINDS = frozenset({"limit", "class", "error", "region", "reply", "step", "call"})
OTHER = frozenset({"says", "page", "read", "head", "extra"})
KEYS = Credentials("account", Secret("c2VjcmV0IGtleQ=="))
"""An Azure account and its key have these forms; other clouds take any."""


@cache
def sheets():
    """Return every file of facts by the name of its cloud."""
    read = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
    for name, sheet in read.items():
        for fact in sheet["fact"]:
            check_form(name, fact)
    return read


def check_form(name, fact):
    """Refuse a fact without sentence, page or date, or with none or several kinds."""
    kinds = KINDS & fact.keys()
    assert len(kinds) == 1, f"{name}: {fact.get('says')!r} has the kinds {sorted(kinds)}"
    assert fact["says"].strip(), name
    assert fact["page"].startswith("https://"), fact["says"]
    assert isinstance(fact.get("read", date.min), date), fact["says"]
    assert fact.keys() <= KINDS | OTHER, fact["says"]


def facts(*kinds):
    """Return (sheet, fact) of the kinds, with ids to read in reports."""
    chosen = [(sheet, fact) for sheet in sheets().values() for fact in sheet["fact"] if set(kinds) & fact.keys()]
    return {"argvalues": chosen, "ids": [f"{sheet['cloud']}: {fact['says']}" for sheet, fact in chosen]}


def store_of(sheet, **changes):
    """Return a bucket of the cloud as it is opened in production; nothing is sent."""
    given = {"region": sheet["region"], "credentials": KEYS, "extra": sheet.get("extra", {}), **changes}
    return open_store(StoreConfig(sheet["cloud"], sheet["bucket"], **given))


def check_limit(sheet, fact, dialect):
    """Hold a number against the adapter's capabilities and the emulator's own."""
    limit = fact["limit"]
    assert getattr(store_of(sheet).capabilities, limit["capability"]) == limit["value"]
    if "sandbox" in limit:
        assert getattr(dialect, limit["sandbox"]) == limit.get("sandbox_value", limit["value"])


def check_class(sheet, fact, dialect):
    """Hold a storage class against both."""
    known, stated = store_of(sheet).capabilities, fact["class"]
    assert known.class_of(stated["word"]).name == stated["means"]
    assert known.is_archived_class(stated["word"]) is stated["archived"]
    if stated.get("sandbox", True):
        assert stated["word"] in dialect.classes
        assert (stated["word"] in dialect.archived) is stated["archived"]


def check_error(sheet, fact):
    """Hold a vendor's code against the class and the sentence that the adapter makes of it."""
    stated = fact["error"]
    body = f"<Error><Code>{stated['code']}</Code><Message>m</Message></Error>".encode()
    reply = Reply(stated["status"], {"content-type": "application/xml"}, body)
    with pytest.raises(errors.StoreError) as caught:
        store_of(sheet).read("k").read(reply)
    assert type(caught.value).__name__ == stated["means"]
    assert stated.get("sentence", "") in str(caught.value)


def check_region(sheet, fact):
    """Hold a region's endpoint against the adapter's."""
    stated = fact["region"]
    assert adapter_for(sheet["cloud"]).endpoint_for(stated["name"]) == stated["endpoint"]


def check_reply(sheet, fact):
    """Read a HEAD's headers as the adapter does."""
    headers = {"content-length": "3", "last-modified": "Mon, 30 Nov 2026 00:00:00 GMT", **fact["reply"]}
    check_head(store_of(sheet).head("k").read(Reply(200, headers, b"")), fact["head"])


def check_head(head, wanted):
    """Compare the fields that a fact names."""
    read = {**head._asdict(), **{name: getattr(head.attributes, name) for name in head.attributes.__slots__}}
    assert {name: _text(read[name]) for name in wanted} == wanted


def _text(value):
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, bool | dict) else "" if value is None else str(value)


def check_steps(fact, harness):
    """Send each step's request to the sandbox and hold its answer against what is stated."""
    kept = {}
    for step in fact["step"]:
        ask, answer = step["ask"], step["answer"]
        reply = _send(harness, ask, kept)
        code = reply.body.partition(b"<Code>")[2].partition(b"<")[0].decode() if reply.status >= 400 else ""
        assert (reply.status, code) == (answer["status"], answer.get("code", code)), reply.body
        compare_headers(reply.headers, answer.get("headers", {}))
        assert answer.get("holds", "").encode() in reply.body
        assert not ("lacks" in answer and answer["lacks"].encode() in reply.body)
        kept.update({name: reply.headers[name] for name in answer.get("keep", ())})
    if "head" in fact:
        check_head(harness.head("k"), fact["head"])


def _send(harness, ask, kept):
    """Perform one request as it stands, signed by the adapter's signer."""
    base = harness.store.head("k")
    path = base.request.path if ask.get("key") else harness.store.list_page("").request.path
    pairs = [item.partition("=") for item in ask.get("query", "").split("&") if item]
    query = tuple((name, unquote(kept.get(value.strip("{}"), value)) if mark else None) for name, mark, value in pairs)
    request = base.request._replace(
        method=ask["method"],
        path=path,
        query=query,
        headers=dict(ask.get("headers", {})),
        body=ask.get("body", "").encode(),
    )
    sign = base.sign if ask.get("sign", True) else (lambda request, _now: request)
    return harness.perform(base._replace(request=request, sign=sign, read=lambda reply: reply, operation="fact"))


def compare_headers(found, wanted):
    """Hold headers against stated ones: ``*`` is any value, an empty one means absent."""
    for name, value in wanted.items():
        if value == "*":
            assert found.get(name), name
        else:
            assert found.get(name, "") == value, name


def check_call(sheet, fact):
    """Hold what the adapter sends for a call against what the vendor's page asks for."""
    stated = fact["call"]
    store, sends = store_of(sheet, extra={**sheet.get("extra", {}), **fact.get("extra", {})}), stated["sends"]
    call = getattr(store, stated["name"])(*_positional(stated), **_named(stated.get("with", {})))
    request = call.request
    assert request.method == sends.get("method", request.method)
    assert request.path == sends.get("path", request.path)
    for pair in sends.get("query", ()):
        name, mark, value = pair.partition("=")
        assert (name, value if mark else None) in request.query
    compare_headers(request.headers, sends.get("headers", {}))
    assert sends.get("holds", "").encode() in request.body
    assert not ("lacks" in sends and sends["lacks"].encode() in request.body)


def _positional(stated):
    return {"list_page": ("",), "write_part": ("k", "u", 1), "list_parts": ("k", "u"), "abort_upload": ("k", "u")}.get(
        stated["name"], ("k", "u") if stated["name"] == "complete_upload" else ("k",)
    )


def _named(given):
    """Return a call's arguments; ranges, tiers, parts and digests are written as text."""
    read = {
        "span": lambda text: Span(*map(int, text.split("-"))),
        "tier": lambda text: RestoreTier[text],
        "parts": lambda rows: [WrittenPart(number, "e", 3, None, crc64) for number, crc64 in rows],
        "body": str.encode,
    }
    return {name: read.get(name, lambda value: value)(value) for name, value in given.items()}
