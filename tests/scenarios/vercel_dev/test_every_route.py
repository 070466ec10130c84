"""Plain `vercel dev` in a checkout answers every route: a function is built at its first request."""

from tests.support.client import pdf


def test_every_route(api, http):
    session = api.session()
    assert api.show(session)["status"] == "active"
    registered = api.register(session, pdf(size=5, partCount=1))
    file, [part] = registered["fileId"], registered["presignedUrls"]
    assert api.ok("POST", f"/{session}/files/batch", {"files": [pdf("b.pdf")]})["succeeded"] == 1
    assert api.ok("POST", f"/{session}/files/batch/", {"files": [pdf("c.pdf")]})["succeeded"] == 1
    assert http.put(part["url"], content=b"12345", headers=part["headers"]).status_code == 200
    assert api.parts(session, file)["missingPartNumbers"] == []
    assert api.ok("POST", f"/{session}/files/{file}/complete", {})["sizeBytes"] == 5
    unfinished = api.show(session)["files"][1]["fileId"]
    api.ok("DELETE", f"/{session}/files/{unfinished}")
    api.ok("DELETE", f"/{session}")
    assert http.get("/api/health").json()["status"] == "ok"
    assert "paths" in http.get("/api/openapi.json").json()
    assert "<html" in http.get("/").text
