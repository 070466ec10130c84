"""The client module on bad lines: proxies that buffer, wrong clocks, expired tokens, slow uplinks."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.test_resume import presign_questions
from tests.browser.test_upload import MIB

MINUTE = 60_000

# Uploads one file of `size` bytes and tells what became of it; `client` are options of the module.
UPLOAD = """async ({ size, client, name = "manual.pdf" }) => {
    const { UploadClient } = await import("/upload-client.js");
    const one = new UploadClient({ attempts: 4, ...client, ...window.options });
    window.progress = [];
    try {
        const session = await one.createSession();
        const file = new File([new Uint8Array(size).fill(7)], name, { type: "application/pdf" });
        const [registration] = await one.register(session, [{ file }]);
        if (registration.error) throw registration.error;
        window.registration = registration;
        window.ids = { sessionId: registration.sessionId, fileId: registration.fileId };
        const done = await one.upload(registration, {
            pause: window.pausing?.signal, signal: window.stopping?.signal,
            onProgress: (now) => window.progress.push({ ...now, sentByPart: [...now.sentByPart] }),
        });
        return { sizeBytes: done.sizeBytes, url: done.fileUrl };
    } catch (error) {
        return { reason: error.reason ?? String(error), message: error.message, status: error.status };
    }
}"""


def start(page, size, **arguments):
    """Start an upload in the page; `outcome` reads what became of it."""
    page.tab.evaluate(
        "(argument) => { window.outcome = null; ("
        + UPLOAD
        + ")(argument).then((o) => (window.outcome = o)) }",
        {"size": size, **arguments},
    )


def outcome(page, seconds=40):
    page.wait_for(lambda: page.tab.evaluate("window.outcome !== null"), True, seconds)
    return page.tab.evaluate("window.outcome")


def upload(page, size, **arguments):
    start(page, size, **arguments)
    return outcome(page)


def progress_never_falls(page):
    return page.tab.evaluate(
        """progress.every((now, i) => !i || (now.sentBytes >= progress[i - 1].sentBytes
            && progress[i - 1].sentByPart.every((sent, part) => (now.sentByPart[part] ?? 0) >= sent)))"""
    )


# --- 1. A proxy that buffers: the last byte has left, and the answer takes minutes


def answers_after_minutes(page, store, parts):
    """Hold so many parts for five minutes, in which none is given up; then answer."""
    for _ in range(5):
        page.tab.clock.run_for(MINUTE)
        page.tab.wait_for_timeout(100)
    assert (store.held, store.dropped) == (parts, 0)
    store.release()
    page.tab.clock.resume()


def test_the_answer_to_a_part_may_take_minutes(page, store):
    """The store's proxy takes the body whole and holds it, which is what a buffering proxy does."""
    page.tab.clock.install()
    store.hold()
    start(page, 20 * MIB)
    page.wait_for(lambda: store.held, 4)
    page.wait_for(lambda: page.tab.evaluate("progress.at(-1)?.sentBytes"), 20 * MIB)
    answers_after_minutes(page, store, parts=4)
    assert outcome(page)["sizeBytes"] == 20 * MIB
    assert sorted(put.part for put in store.puts) == [1, 2, 3, 4]


def test_an_answer_that_never_comes_is_not_waited_for_for_ever(page, store):
    page.tab.clock.install()
    store.hold()
    start(page, MIB)
    page.wait_for(lambda: store.held, 1)
    page.tab.clock.run_for(15 * MINUTE)
    page.wait_for(lambda: store.dropped, 1)
    store.release()
    page.tab.clock.run_for(MINUTE)
    page.tab.clock.resume()
    assert outcome(page)["sizeBytes"] == MIB


# --- 2. Clocks and origins


@pytest.fixture
def elsewhere(serve, site):
    """The same API on another origin than the page's, which it allows."""
    return serve(AUTH_BYPASS="true", DEV_USER_SUB="browser-user", ALLOWED_ORIGINS=site)


def set_clock(page, minutes):
    page.tab.add_init_script(f"{{ const now = Date.now; Date.now = () => now() + {minutes} * 60_000; }}")
    page.reload()


def hide_date(page, origin):
    """The API as one whose `Date` the browser does not show to other origins."""

    def strip(route):
        answer = route.fetch()
        headers = {k: v for k, v in answer.headers.items() if k != "access-control-expose-headers"}
        route.fulfill(response=answer, headers=headers | {"access-control-expose-headers": "X-Request-Id"})

    page.tab.route(origin + "/api/**", strip)


@pytest.mark.parametrize("shown", [True, False], ids=["date-shown", "date-hidden"])
@pytest.mark.parametrize("minutes", [20, 24 * 60, -60])
def test_a_wrong_clock_and_an_api_elsewhere_ask_for_no_other_url(page, store, elsewhere, minutes, shown):
    if not shown:
        hide_date(page, elsewhere)
    set_clock(page, minutes)
    asked = presign_questions(page)
    assert upload(page, 12 * MIB, client={"baseUrl": elsewhere})["sizeBytes"] == 12 * MIB
    assert (asked, sorted(store.stored())) == ([], [1, 2, 3])


def test_a_clock_that_is_set_on_the_way_changes_nothing(page, store):
    asked = presign_questions(page)
    store.hold(passing=1)
    start(page, 30 * MIB)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    page.tab.evaluate("{ const now = Date.now; Date.now = () => now() + 3_600_000; }")
    store.release()
    assert outcome(page)["sizeBytes"] == 30 * MIB
    assert asked == []


def test_any_403_is_answered_with_one_fresh_url(page, store):
    """Its signature is spoilt, and it has not expired, as far as anybody can tell."""
    asked = presign_questions(page)
    page.spoil_urls("**/files/batch")
    assert upload(page, 12 * MIB)["sizeBytes"] == 12 * MIB
    refused = [put.part for put in store.puts if put.status == 403]
    assert refused  # a part that starts later may find a fresh URL already
    assert len(set(refused)) == len(refused)
    assert 1 <= len(asked) <= 3


def test_a_403_that_comes_again_is_final(page, store):
    page.spoil_urls("**/files/batch", "**/parts?presign=true**")
    assert upload(page, MIB) == {
        "reason": "STORE_REFUSED", "message": "The store refused a part.", "status": 403,
    }  # fmt: skip
    assert [put.status for put in store.puts] == [403, 403]


# --- 3. A token that is refused on the way


def test_a_refused_token_is_renewed_and_the_request_made_again(page, serve, store, token):
    page.tab.evaluate(
        """(good) => {
            window.questions = [];
            window.current = "out.of.date";
            const getToken = ({ refused }) => {
                window.questions.push(refused);
                if (refused) window.current = good;
                return window.current;
            };
            window.options = { getToken };
        }""",
        token,
    )
    secure = serve(ALLOWED_ORIGINS=page.site)
    assert upload(page, 12 * MIB, client={"baseUrl": secure})["sizeBytes"] == 12 * MIB
    assert page.tab.evaluate("window.questions.filter(Boolean).length") == 1


def test_without_another_token_nothing_that_was_sent_is_lost(page, serve, store, token):
    """The token expires; the parts under way finish, and the next call, with a good token, sends the rest."""
    page.tab.evaluate(
        "(good) => { window.token = good; window.options = { getToken: () => window.token } }", token
    )
    secure = serve(ALLOWED_ORIGINS=page.site, MAX_PRESIGNED_URLS="5")
    store.hold(passing=1)
    start(page, 40 * MIB, client={"baseUrl": secure})
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    page.tab.evaluate("window.token = 'out.of.date'")
    store.release()
    assert outcome(page)["status"] == 401
    assert sorted(store.stored()) == [1, 2, 3, 4, 5]
    again = page.tab.evaluate(
        """async ([good, baseUrl]) => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient({ baseUrl, getToken: () => good });
            return (await client.upload({ ...window.ids, file: registration.file })).sizeBytes;
        }""",
        [token, secure],
    )
    assert (again, sorted(store.stored())) == (40 * MIB, [1, 2, 3, 4, 5, 6, 7, 8])


# --- 4. Pause, offline, slow lines


def test_a_pause_lets_the_parts_under_way_finish(page, store):
    page.tab.evaluate("window.pausing = new AbortController()")
    store.hold(passing=1)
    start(page, 40 * MIB)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    page.tab.evaluate("pausing.abort('paused')")
    page.tab.wait_for_timeout(300)
    assert page.tab.evaluate("window.outcome") is None
    store.release()
    assert outcome(page)["reason"] == "paused"
    assert sorted(store.stored()) == [1, 2, 3, 4, 5]
    assert page.tab.evaluate("progress.at(-1).sentBytes") == 25 * MIB
    assert progress_never_falls(page)


def test_what_is_shown_never_falls_when_the_network_goes(page, context, store):
    store.hold(passing=1)
    start(page, 40 * MIB)
    page.wait_for(lambda: page.tab.evaluate("progress.at(-1)?.sentBytes"), 25 * MIB)
    context.set_offline(True)
    page.wait_for(lambda: page.tab.evaluate("progress.at(-1).state"), "waiting")
    store.release()  # the parts under way finish, and no more begin
    page.wait_for(lambda: len(store.stored()), 5)
    page.tab.wait_for_timeout(500)
    assert page.tab.evaluate("[progress.at(-1).state, progress.at(-1).sentBytes]") == ["waiting", 25 * MIB]
    context.set_offline(False)
    assert outcome(page)["sizeBytes"] == 40 * MIB
    assert progress_never_falls(page)


def test_broken_connections_let_nothing_fall_either(page, store):
    store.break_next(3)
    assert upload(page, 20 * MIB)["sizeBytes"] == 20 * MIB
    assert progress_never_falls(page)


def throttle(page, bytes_a_second):
    session = page.tab.context.new_cdp_session(page.tab)
    session.send("Network.enable")
    session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 20, "downloadThroughput": -1, "uploadThroughput": bytes_a_second},
    )


def test_on_a_slow_line_one_part_is_finished_before_the_others_begin(page, store):
    """At 500 kB/s, a part takes ten seconds: four at once would finish nothing in the first forty."""
    throttle(page, 500_000)
    start(page, 15 * MIB)
    page.wait_for(lambda: len(store.stored()), 1, seconds=60)
    # Of the other two, at most the next one has begun.
    begun = page.tab.evaluate(
        """progress.find(({ sentByPart: [first], partSizeBytes }) => first === partSizeBytes)
            .sentByPart.slice(1).filter((sent) => sent > 0).length"""
    )
    assert begun <= 1
    throttle(page, -1)
    assert outcome(page)["sizeBytes"] == 15 * MIB


# --- 5. A replay of a file that is complete


@pytest.mark.parametrize("size", [0.5, 12])
def test_a_replayed_completed_file_is_done(page, store, size):
    size = int(size * MIB)
    assert upload(page, size)["sizeBytes"] == size
    sent = len(store.puts)
    asked = presign_questions(page)
    again = page.tab.evaluate(
        """async () => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient();
            const session = await client.getSession(ids.sessionId);
            const [one] = await client.register(session, [{ file: registration.file, fileId: ids.fileId }]);
            return [one.presignedUrls.length, (await client.upload(one)).sizeBytes];
        }"""
    )
    assert again == [0, size]
    assert (len(store.puts), asked) == (sent, [])


def test_a_file_that_another_client_completes_meanwhile_is_done(page, store):
    store.hold(passing=1)
    start(page, 30 * MIB)
    page.wait_for(lambda: (len(store.puts), store.held), (1, 4))
    store.hold(passing=None)
    other = page.tab.context.new_page()
    other.goto(page.site)
    other.evaluate(
        """async ([ids, size]) => {
            const { UploadClient } = await import("/upload-client.js");
            const file = new File([new Uint8Array(size).fill(7)], "manual.pdf", { type: "application/pdf" });
            await new UploadClient().upload({ ...ids, file });
        }""",
        [page.tab.evaluate("window.ids"), 30 * MIB],
    )
    store.release()
    assert outcome(page)["sizeBytes"] == 30 * MIB


# --- 6. What a browser may lack, and CORS


def test_an_old_browser_on_plain_http_uploads_all_the_same(page, store):
    page.tab.add_init_script(
        "delete AbortSignal.any; delete AbortSignal.timeout; delete Crypto.prototype.randomUUID;"
        "for (const name of ['localStorage', 'sessionStorage'])"
        "  Object.defineProperty(window, name, { get() { throw new DOMException('', 'SecurityError'); } });"
        "Object.defineProperty(navigator, 'locks', { value: undefined });"
    )
    page.reload()
    assert page.tab.evaluate("typeof AbortSignal.any + typeof crypto.randomUUID") == "undefinedundefined"
    assert upload(page, 12 * MIB)["sizeBytes"] == 12 * MIB
    assert page.errors == []


def test_an_api_that_does_not_allow_the_page_is_named_at_once(page, serve):
    stranger = serve(AUTH_BYPASS="true", ALLOWED_ORIGINS="https://other.example")
    calls = []
    page.tab.on("request", lambda request: calls.append(request.url))
    result = upload(page, 100, client={"baseUrl": stranger})
    assert result["reason"] == "CORS"
    assert page.site in result["message"]
    assert stranger in result["message"]
    assert len([url for url in calls if "/sessions" in url]) == 2  # tried once more, not eight times


def test_a_store_that_does_not_allow_the_page_is_named_at_once(page, store):
    page.tab.route(
        store.url + "/**",
        lambda route: route.continue_() if route.request.method == "GET" else route.abort("failed"),
    )
    result = upload(page, 12 * MIB)
    assert result["reason"] == "CORS"
    assert store.url in result["message"]


def test_a_server_that_is_not_there_is_no_cors_failure(page):
    result = upload(page, 100, client={"baseUrl": "http://127.0.0.1:9", "attempts": 2})
    assert result["reason"] == "NETWORK"


def test_the_module_can_be_imported_from_the_apis_origin(page, elsewhere):
    page.tab.goto(elsewhere + "/robots.txt")  # a document of another origin, without a policy of its own
    loaded = page.tab.evaluate(
        "(origin) => import(origin + '/upload-client.js').then((module) => Object.keys(module))", page.site
    )
    assert "UploadClient" in loaded


# --- 7. Few calls, and no listener left


def test_forty_small_files_make_few_calls(page):
    calls = []
    page.tab.on("request", lambda request: calls.append(request) if "/api/mocs" in request.url else None)
    done = page.tab.evaluate(
        """async () => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient();
            const session = await client.createSession();
            const files = Array.from({ length: 40 }, (_, i) =>
                ({ file: new File(["%PDF " + i], "a.pdf", { type: "application/pdf" }) }));
            const all = await client.register(session, files);
            return (await Promise.all(all.map((one) => client.upload(one)))).length;
        }"""
    )
    assert done == 40
    assert len(calls) == 1 + 4 + 40


def test_no_listener_stays_behind(page, store):
    page.tab.add_init_script(
        """window.listeners = 0;
        for (const target of [AbortSignal.prototype, window]) {
            const { addEventListener, removeEventListener } = target;
            target.addEventListener = function (...all) {
                window.listeners++;
                return addEventListener.apply(this, all);
            };
            target.removeEventListener = function (...all) {
                window.listeners--;
                return removeEventListener.apply(this, all);
            };
        }"""
    )
    page.reload()
    page.tab.evaluate("window.stopping = new AbortController(); window.pausing = new AbortController()")
    before = page.tab.evaluate("window.listeners")
    store.break_next(1)
    assert upload(page, 12 * MIB)["sizeBytes"] == 12 * MIB
    assert page.tab.evaluate("window.listeners") == before


# --- 8. Two steps by hand, keys, and texts


def test_presign_and_complete_can_be_called_by_hand(page):
    done = page.tab.evaluate(
        """async () => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient();
            const session = await client.createSession();
            const file = new File(["%PDF"], "manual.pdf", { type: "application/pdf" });
            const [{ fileId }] = await client.register(session, [{ file }]);
            const { presignedUrls } = await client.presign(session.sessionId, fileId);
            const put = await fetch(presignedUrls[0].url, { method: "PUT", body: file });
            const parts = [{ partNumber: 1, etag: put.headers.get("ETag") }];
            return (await client.complete(session.sessionId, fileId, { parts })).sizeBytes;
        }"""
    )
    assert done == 4


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (502, "<html>Bad gateway</html>"),
        (418, json.dumps({"error": {"code": "418", "message": {"text": "no"}}})),
        (418, json.dumps({"error": "FUNCTION_INVOCATION_FAILED"})),
        (418, json.dumps({"error": {"reason": 7, "message": None, "details": "x"}, "requestId": 3})),
        (418, json.dumps([1])),
        (200, "<html>Sign in to the Wi-Fi</html>"),
    ],
)
def test_an_answer_of_somebody_else_is_an_error_with_a_text(page, status, body):
    page.tab.route("**/uploads/sessions", lambda route: route.fulfill(status=status, body=body))
    result = upload(page, 100, client={"attempts": 1})
    assert (result["reason"], result["status"]) == ("UNEXPECTED", status)
    assert isinstance(result["message"], str)
    assert len(result["message"]) > 20
    expect(page.tab.locator("body")).not_to_contain_text("[object")


# --- 9. Answers of what stands between


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "0"}),
        (429, {"Retry-After": "Fri, 01 Jan 2100 00:00:01 GMT", "Date": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        (429, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        (429, {}),  # a proxy's; the API always says when
        (502, {"Content-Type": "text/html"}),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        (408, {"Retry-After": "nonsense"}),
    ],
)
def test_a_proxy_that_is_busy_for_a_moment_is_asked_again(page, store, status, headers):
    answers = []

    def refuse(route):
        answers.append(route.request.url)
        if len(answers) > 2:
            return route.continue_()
        route.fulfill(status=status, body="<h1>Busy</h1>", headers=headers)

    page.tab.route("**/files/batch", refuse)
    assert upload(page, 100)["sizeBytes"] == 100
    assert len(answers) == 3


@pytest.mark.parametrize("after", ["3600", "Fri, 01 Jan 2100 01:00:00 GMT"])
def test_a_limit_that_lasts_is_said_at_once(page, after):
    headers = {"Retry-After": after, "Date": "Fri, 01 Jan 2100 00:00:00 GMT"}
    page.tab.route("**/uploads/sessions", lambda route: route.fulfill(status=429, headers=headers))
    calls = []
    page.tab.on("request", lambda request: calls.append(request) if "/sessions" in request.url else None)
    assert upload(page, 100)["status"] == 429
    assert len(calls) == 1


def test_a_server_on_this_computer_needs_no_network(page, store):
    """What `navigator.onLine` says is not asked before a first try."""
    page.tab.add_init_script("Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })")
    page.reload()
    assert upload(page, 12 * MIB)["sizeBytes"] == 12 * MIB


@pytest.mark.parametrize(
    "name", ["half \ud83d.pdf", "🧱🏰 \u0301e\u0301.pdf", "a/b\\c.pdf", "\u202eגשר <b>&amp;\".pdf", " .pdf"]
)  # fmt: skip
def test_any_name_goes_up(page, store, name):
    code = json.dumps(name)  # as text of a program: half a pair does not travel as an argument
    page.tab.evaluate(f"window.named = {code}")
    result = page.tab.evaluate(
        """async () => {
            const { UploadClient } = await import("/upload-client.js");
            const client = new UploadClient({ attempts: 1 });
            const session = await client.createSession();
            const file = new File(["%PDF"], named, { type: "application/pdf" });
            const [one] = await client.register(session, [{ file, fileKey: named }]);
            if (one.error) return [one.error.reason, one.error.message];
            await client.upload(one);
            const [{ name }] = (await client.getSession(session.sessionId)).files;
            return name === named.toWellFormed().normalize();
        }"""
    )
    assert result is True
