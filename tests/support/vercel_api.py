"""A stand-in for Vercel's API on loopback, which records what `vercel deploy` would upload.

By https://vercel.com/docs/rest-api/deployments/create-a-new-deployment: the CLI first sends the list of
files, and uploads those that the answer says are missing. The answer here is a refusal, after which nothing
is uploaded.
"""

import json

from tests.support.http_server import Handler, HttpServer

TEAM, PROJECT = "team_fake", "prj_fake"
ANSWERS = {
    "/v2/user": {"user": {"id": "user_fake", "username": "fake", "email": "fake@example.com",
                          "defaultTeamId": TEAM, "version": "northstar"}},
    f"/teams/{TEAM}": {"id": TEAM, "slug": "acme", "name": "acme"},
    f"/v9/projects/{PROJECT}": {"id": PROJECT, "name": "uploads", "accountId": TEAM},
}  # fmt: skip


class VercelApi(HttpServer):
    """A context manager; `deployments` are the documents that the CLI has sent."""

    def __init__(self):
        api = self
        self.deployments = []

        class Recorder(Handler):
            def serve(self):
                status, document = api.answer_to(self.command, self.path.partition("?")[0], self.body())
                headers = [("Content-Type", "application/json")]
                self.answer(status, headers, json.dumps(document).encode())

        super().__init__(Recorder)

    def answer_to(self, method, path, body):
        if (method, path) == ("POST", "/v13/deployments"):
            self.deployments.append(json.loads(body))
            return 400, {"error": {"code": "recorded", "message": "recorded"}}
        return (200, ANSWERS[path]) if path in ANSWERS else (404, {"error": {"code": "not_found"}})


def link(folder):
    """Make a folder a project of the fake team."""
    (folder / ".vercel").mkdir(exist_ok=True)
    ids = {"orgId": TEAM, "projectId": PROJECT}
    (folder / ".vercel" / "project.json").write_text(json.dumps(ids))
