"""The client module and what is between it and the others: proxies, tokens of an app, calls out of order."""

import json

import pytest

from tests.browser.test_transport import outcome, progress_never_falls, start, upload
from tests.browser.test_upload import MIB

CORS = {"Access-Control-Allow-Origin": "*"}


def s3_error(code):
    return f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>No.</Message></Error>"


def store_answers(page, store, *answers):
    """The first parts get these answers, (status, body, headers); None: the connection breaks."""
    left = list(answers)

    def answer(route):
        if route.request.method != "PUT" or not left:
            return route.continue_()
        one = left.pop(0)
        if one is None:
            return route.abort("connectionreset")
        status, body, *headers = one
        route.fulfill(status=status, body=body, headers=CORS | dict(*headers))

    page.tab.route(store.url + "/**", answer)


# --- Parts


@pytest.mark.parametrize(
    "answer",
    [
        (400, s3_error("RequestTimeout")),
        (400, s3_error("IncompleteBody")),  # a proxy has cut it
        (400, s3_error("BadDigest")),
        (409, s3_error("OperationAborted")),
        (400, s3_error("ThrottlingException")),
        (400, s3_error("KMS.ThrottlingException")),
        (403, s3_error("RequestLimitExceeded")),
        (423, s3_error("ResourceLocked")),  # Supabase Storage
        (400, s3_error("\n  RequestTimeout\n")),
        (503, s3_error("SlowDown"), {"Retry-After": "1"}),
        (403, s3_error("RequestTimeTooSkewed")),
        (400, s3_error("ExpiredToken")),
        (408, "<html>Request Timeout</html>"),
        (425, ""),
        (400, "<html>Bad Request</html>"),
        (404, "<html>No such site</html>"),  # a proxy that is being deployed
        (499, ""),
        (504, "<html>Gateway Timeout</html>"),
        None,
    ],
    ids=str,
)
def test_a_part_that_is_not_taken_for_a_moment_is_sent_again(page, store, answer):
    store_answers(page, store, answer)
    assert upload(page, MIB)["sizeBytes"] == MIB


@pytest.mark.parametrize(
    "answer",
    [
        (413, "<html>Too large</html>"),
        (400, s3_error("EntityTooLarge")),
        (400, s3_error("KMS.DisabledException")),
    ],
    ids=str,
)
def test_a_part_that_can_never_be_taken_is_refused_at_once(page, store, answer):
    store_answers(page, store, answer)
    assert upload(page, MIB)["reason"] == "STORE_REFUSED"


def test_a_redirected_part_arrives(page, store):
    """S3 redirects to a bucket's own region."""
    redirected = []

    def redirect(route):
        if route.request.method != "PUT" or redirected:
            return route.continue_()
        redirected.append(route.request.url)
        route.fulfill(status=307, headers=CORS | {"Location": route.request.url})

    page.tab.route(store.url + "/**", redirect)
    assert upload(page, MIB)["sizeBytes"] == MIB


def test_urls_that_expire_time_and_again_are_replaced_each_time(page, store):
    """A computer that sleeps twice while one part is on its way."""
    expired = (403, s3_error("AccessDenied"))
    store_answers(page, store, expired, None, expired)
    assert upload(page, MIB)["sizeBytes"] == MIB


def test_a_report_that_comes_late_does_not_undo_the_end(page, store):
    """The file is complete when a report of its parts is answered, and `complete` has not answered yet."""
    reports = []
    page.tab.route("**/parts", lambda route: reports.append(route))
    error = {"code": "BAD_REQUEST", "reason": "FILE_COMPLETED", "message": "The file is complete."}

    def complete(route):
        answer = route.fetch()
        reports[0].fulfill(status=400, body=json.dumps({"error": error}))
        page.tab.wait_for_timeout(300)
        route.fulfill(response=answer)

    page.tab.route("**/complete", complete)
    assert upload(page, 50 * MIB)["sizeBytes"] == 50 * MIB
    assert reports


def test_a_part_that_the_store_has_lost_lets_nothing_fall(page, store):
    lost = []

    def complete(route):
        lost.append(route.request.url)
        error = {"code": "BAD_REQUEST", "reason": "PARTS_MISSING", "message": "A part is missing."}
        if len(lost) > 1:
            return route.continue_()
        route.fulfill(status=400, body=json.dumps({"error": error}))

    def parts(route):
        answer = route.fetch()
        route.fulfill(response=answer, body=json.dumps(answer.json() | {"missingPartNumbers": [2]}))

    page.tab.route("**/complete", complete)
    page.tab.route("**/parts?presign=true**", parts)
    assert upload(page, 12 * MIB)["sizeBytes"] == 12 * MIB
    assert sorted(store.stored()) == [1, 2, 2, 3]
    assert progress_never_falls(page)


# --- Answers in the API's place


@pytest.mark.parametrize("body", ["{}", "null", "[]", "true", ""])
@pytest.mark.parametrize("where", ["uploads/sessions", "files/batch", "complete"])
def test_an_answer_that_only_looks_like_the_apis_is_named(page, where, body):
    page.tab.route(f"**/{where}", lambda route: route.fulfill(status=200, body=body))
    result = upload(page, MIB)
    assert (result["reason"], result["status"]) == ("UNEXPECTED", 200)


def test_parts_that_somebody_else_tells_of_are_not_believed(page):
    assert upload(page, MIB)["sizeBytes"] == MIB
    page.tab.route("**/parts?presign=true**", lambda route: route.fulfill(status=200, body="{}"))
    reason = page.tab.evaluate(
        """async () => {
            const { UploadClient } = await import("/upload-client.js");
            const again = new UploadClient().upload({ ...ids, file: registration.file });
            return again.catch((error) => error.reason);
        }"""
    )
    assert reason == "UNEXPECTED"


def test_a_proxys_404_deletes_nothing(page):
    """The file would stay at the store, and the app would have forgotten it."""
    page.tab.route("**/sessions/**", lambda route: route.fulfill(status=404, body="<html>Not found</html>"))
    reason = page.tab.evaluate(
        """async () => {
            const { UploadClient, uuid } = await import("/upload-client.js");
            return new UploadClient().abortFile(uuid(), uuid()).catch((error) => error.reason);
        }"""
    )
    assert reason == "UNEXPECTED"


# --- Tokens


def test_a_token_that_the_network_keeps_from_the_app_is_asked_for_again(page, store):
    page.tab.evaluate(
        """() => {
            let asked = 0;
            const getToken = () => (++asked === 3 ? Promise.reject(new TypeError("Failed to fetch")) : null);
            window.options = { getToken };
        }"""
    )
    assert upload(page, MIB)["sizeBytes"] == MIB


def test_a_token_is_not_missed_while_the_network_is_away(page, context, store):
    page.tab.evaluate(
        """() => {
            const getToken = async () => {
                if (!navigator.onLine) throw new Error("ERR_NETWORK"); // as a library names it
            };
            window.options = { getToken };
        }"""
    )
    store.hold(passing=1)
    start(page, 12 * MIB)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 2))
    context.set_offline(True)
    store.release()
    page.wait_for(lambda: len(store.stored()), 3)
    page.tab.wait_for_timeout(500)  # `complete` asks for a token
    context.set_offline(False)
    assert outcome(page)["sizeBytes"] == 12 * MIB


def test_an_apps_own_error_comes_back_to_it(page):
    page.tab.evaluate("window.options = { getToken: () => Promise.reject({ reason: 'OUT' }) }")
    assert upload(page, MIB)["reason"] == "OUT"


@pytest.mark.parametrize("signal", ["signal", "pause"])
def test_a_token_that_does_not_come_can_be_given_up(page, signal):
    page.tab.evaluate(
        """async (name) => {
            const { UploadClient } = await import("/upload-client.js");
            let isHanging = false;
            const client = new UploadClient({ getToken: () => (isHanging ? new Promise(() => {}) : null) });
            const session = await client.createSession();
            const file = new File(["%PDF"], "manual.pdf", { type: "application/pdf" });
            const [one] = await client.register(session, [{ file }]);
            isHanging = true;
            const { signal } = (window.end = new AbortController());
            client.upload(one, { [name]: signal }).catch((reason) => (window.outcome = reason));
            client.createSession({}, signal).catch((reason) => (window.other = reason));
        }""",
        signal,
    )
    page.tab.wait_for_timeout(500)
    page.tab.evaluate("end.abort('enough')")
    page.wait_for(lambda: page.tab.evaluate("[window.outcome, window.other]"), ["enough", "enough"])


def test_a_token_that_no_header_takes_is_refused_at_once(page):
    page.tab.evaluate("window.options = { getToken: () => 'eyJ\u2026' }")
    assert upload(page, MIB)["reason"] == "TOKEN_INVALID"


# --- Out of order


def test_an_upload_that_is_given_up_before_it_starts_leaves_nothing_behind(page):
    page.tab.evaluate("window.stopping = new AbortController(); stopping.abort('early')")
    assert upload(page, MIB)["reason"] == "early"
    page.tab.wait_for_timeout(500)
    assert page.errors == []  # no rejection that nobody handles


def test_a_file_that_is_started_twice_and_cancelled_twice_and_started_again(page, store):
    results = page.tab.evaluate(
        """async (size) => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient();
            const session = await client.createSession();
            const file = new File([new Uint8Array(size)], "manual.pdf", { type: "application/pdf" });
            const [one, other] = await client.register(session, [{ file }, { file }]);
            const both = await Promise.all([client.upload(one), client.upload(one)]);
            const after = await client.upload(one);  // with URLs of an upload that is complete
            const { sessionId, fileId } = other;
            await Promise.all([1, 2].map(() => client.abortFile(sessionId, fileId)));
            const gone = await client.upload(other).catch((error) => error.isOver);
            await Promise.all([1, 2].map(() => client.cancelSession(sessionId)));
            const still = await client.complete(sessionId, one.fileId);
            return [...both, after, still].map(({ sizeBytes }) => sizeBytes).concat(gone);
        }""",
        6 * MIB,
    )
    assert results == [6 * MIB] * 4 + [True]
    assert page.errors == []


def test_a_window_that_a_page_has_written_has_that_pages_address(page, store):
    """It is about:blank by its own."""
    page.tab.goto(page.site + "/robots.txt")  # without a policy that the window would inherit
    page.tab.evaluate(
        """(origin) => {
            const { document } = window.open("");
            const code = `
                import { UploadClient } from "${origin}/upload-client.js";
                const client = new UploadClient({ attempts: 1 });
                const file = new File(["%PDF"], "manual.pdf", { type: "application/pdf" });
                try {
                    const [one] = await client.register(await client.createSession(), [{ file }]);
                    opener.outcome = (await client.upload(one)).sizeBytes;
                } catch (error) {
                    opener.outcome = String(error);
                }`;
            const script = document.createElement("script");
            document.body.append(Object.assign(script, { type: "module", textContent: code }));
        }""",
        page.site,
    )
    page.wait_for(lambda: page.tab.evaluate("window.outcome"), 4)


@pytest.mark.parametrize("size", [500, 11 * MIB, 13 * MIB])
def test_no_part_of_a_file_of_another_size_is_sent(page, store, size):
    said = page.tab.evaluate(
        """async ([registered, size]) => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient();
            const file = (size) => new File([new Uint8Array(size)], "manual.pdf");
            const [one] = await client.register(await client.createSession(), [{ file: file(registered) }]);
            const { sessionId, fileId } = one;
            return client.upload({ sessionId, fileId, file: file(size) }).catch((error) => error.reason);
        }""",
        [12 * MIB, size],
    )
    assert (said, store.puts) == ("FILE_UNREADABLE", [])
