"""The client module, as the documentation shows it."""

import re
from pathlib import Path

import pytest

from tests.browser.test_upload import MIB

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "client.md"


@pytest.fixture
def example(page):
    """The page with the documented example as a module of its own."""
    [code] = re.findall(r"^## An upload in 15 lines\n\n```js\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    page.tab.route("**/example.js", lambda route: route.fulfill(body=code, content_type="text/javascript"))
    return page


def test_the_documented_example_uploads_and_reports_a_refusal(example, store):
    lines = []
    example.tab.on("console", lambda message: lines.append(message.text))
    outcomes = example.tab.evaluate(
        """async (size) => {
            const { uploadAll } = await import("/example.js");
            const pdf = new File([new Uint8Array(size)], "manual.pdf", { type: "application/pdf" });
            const program = new File(["MZ"], "setup.exe", { type: "application/x-msdownload" });
            const outcomes = await uploadAll([pdf, program]);
            return outcomes.map(({ value, reason }) => [value?.sizeBytes, reason?.reason]);
        }""",
        12 * MIB,
    )
    assert outcomes == [[12 * MIB, None], [None, "MIME_TYPE_NOT_ALLOWED"]]
    assert sorted(store.stored()) == [1, 2, 3]
    assert lines[0] == f"queued 0 {12 * MIB}"
    assert lines[-1] == f"completed {12 * MIB} {12 * MIB}"


def test_an_abort_ends_the_example_at_once_with_its_reason(example, store):
    store.hold()
    example.tab.evaluate(
        """async (size) => {
            const { uploadAll } = await import("/example.js");
            window.stop = new AbortController();
            const pdf = new File([new Uint8Array(size)], "manual.pdf", { type: "application/pdf" });
            uploadAll([pdf], stop.signal).then(([outcome]) => (window.outcome = outcome.reason));
        }""",
        12 * MIB,
    )
    example.wait_for(lambda: store.held, 3)
    example.tab.evaluate("stop.abort('enough')")
    example.wait_for(lambda: example.tab.evaluate("window.outcome"), "enough")
    example.wait_for(lambda: store.dropped, 3)


def test_parts_that_no_cors_shows_an_etag_of_are_completed_all_the_same(page, files, store, api):
    page.tab.add_init_script("XMLHttpRequest.prototype.getResponseHeader = () => null")
    page.reload()
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_state("manual.pdf", "completed")


def test_a_wrong_clock_on_the_client_replaces_no_url(page, files, store):
    """An hour ahead, every URL would look expired."""
    asked = []
    page.tab.on("request", lambda request: asked.append(request.url) if "presign" in request.url else None)
    page.tab.add_init_script("const now = Date.now; Date.now = () => now() + 3_600_000")
    page.reload()
    page.upload(files("manual.pdf", 12 * MIB))
    page.expect_state("manual.pdf", "completed")
    assert asked == []
