"""What Vercel's runtime adds: one process for many requests, a frozen process, a query of its own."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.client import pdf
from tests.support.fuzzy import UUID, error

SESSIONS = "api/mocs/uploads/sessions"
CREATE = f"{SESSIONS}/index"
SHOW = f"{SESSIONS}/[sessionId]/index"
REGISTER = f"{SESSIONS}/[sessionId]/files/index"


def test_one_instance_answers_others_while_a_request_waits(api, db, server):
    blocked, free = api.session(), api.session()
    pid = server.instance(REGISTER).pid
    with ThreadPoolExecutor(1) as executor:
        with db.transaction():
            db.execute("SELECT 1 FROM upload_sessions WHERE id = %s FOR UPDATE", [blocked])
            waiting = executor.submit(api.register, blocked, pdf())
            for number in range(8):
                api.register(free, pdf(f"{number}.pdf"))
            time.sleep(0.2)
            assert not waiting.done()
        waiting.result(timeout=10)
    assert server.instance(REGISTER).pid == pid


def test_forty_requests_at_once_to_one_instance(api, server):
    api.session()
    pid = server.instance(CREATE).pid
    with ThreadPoolExecutor(40) as executor:
        sessions = set(executor.map(lambda _: api.session(), range(40)))
    assert len(sessions) == 40
    assert server.instance(CREATE).pid == pid


def test_ids_in_the_query_do_not_override_those_in_the_path(api, stranger):
    session, other = api.session(), api.session()
    file = api.register(session, pdf(partCount=3))["fileId"]
    others_file = api.register(other, pdf(partCount=3))["fileId"]
    query = f"sessionId={other}&fileId={others_file}"
    assert api.ok("GET", f"/{session}?{query}") == api.show(session)
    assert api.ok("GET", f"/{session}/files/{file}/parts?{query}")["fileId"] == file
    assert api.ok("POST", f"/{session}/files/batch?{query}", {"files": [pdf("b.pdf")]})["succeeded"] == 1
    assert len(api.show(session)["files"]) == 2
    api.ok("DELETE", f"/{session}/files/{file}?{query}")
    assert [one["fileId"] for one in api.show(other)["files"]] == [others_file]

    theirs = stranger.session()
    status, refusal = api.refused("GET", f"/{theirs}?sessionId={session}")
    assert (status, refusal["reason"]) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(("size", "status"), [(4_500_000, 201), (4_500_001, 413)])
def test_a_body_may_have_four_and_a_half_megabytes(api, size, status):
    body = b'{"padding": "' + b"x" * (size - 15) + b'"}'
    assert len(body) == size
    assert api.call("POST", "", content=body).status_code == status


def test_an_exception_in_a_use_case_is_a_500_that_tells_nothing(api, db, server):
    api.session()
    db.execute("ALTER TABLE upload_sessions RENAME COLUMN part_size_bytes TO elsewhere")
    try:
        response = api.call("POST", "", {})
    finally:
        db.execute("ALTER TABLE upload_sessions RENAME COLUMN elsewhere TO part_size_bytes")
    assert response.status_code == 500
    document = response.json()
    assert document == {"error": error("INTERNAL_ERROR", "INTERNAL_ERROR"), "requestId": UUID}
    for word in ("column", "part_size", "psycopg", "Traceback", "upload_sessions"):
        assert word not in response.text
    [line] = [line for line in logged(server) if document["requestId"] in line and '"ERROR"' in line]
    assert "UndefinedColumn" in line
    api.session()


def logged(server):
    """The functions' log lines, some time after the last request."""
    time.sleep(0.2)
    return server.log.read_text().splitlines()


def test_an_instance_that_was_frozen_works_again_though_the_database_was_restarted(api, server, stack):
    session = api.session()
    api.register(session, pdf())
    pids = [server.instance(name).pid for name in (CREATE, SHOW, REGISTER)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        stack.restart_postgres()
        time.sleep(3)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    assert api.call("GET", f"/{session}").status_code == 200
    assert api.call("POST", f"/{session}/files", pdf("second.pdf")).status_code == 201
    assert api.call("POST", "", {}).status_code == 201
    assert pids == [server.instance(name).pid for name in (CREATE, SHOW, REGISTER)]
