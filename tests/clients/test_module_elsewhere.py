"""The client module and the Uppy plugin where no browser is: a strict TypeScript build, Node."""

import shutil
import subprocess

import pytest

from dev.npm import tool
from tests.support.http_server import Handler, HttpServer
from tests.support.servers import ROOT

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]  # the first run installs the tools

STRICTEST = [
    "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noImplicitOverride",
    "--noPropertyAccessFromIndexSignature", "--noUnusedLocals", "--noUnusedParameters",
    "--verbatimModuleSyntax",
]  # fmt: skip
APP = """
import Uppy from "@uppy/core";
import { UploadClient, UploadError, type Registration } from "./upload-client.js";
import UploadSessions from "./uppy-upload-sessions.js";

const client = new UploadClient({ baseUrl: "https://uploads.example.com", getToken: async () => "token" });
export const uppy = new Uppy<{ caption: string }, { fileUrl: string }>().use(UploadSessions, { client });
export async function one(file: File): Promise<Registration[]> {
  return client.register(await client.createSession(), [{ file }]);
}
export const reasonOf = (error: unknown) => (error instanceof UploadError ? error.reason : undefined);
// @ts-expect-error: it needs a client
new Uppy().use(UploadSessions, {});
"""


@pytest.mark.parametrize("major", ["uppy-5", "uppy-6"])
def test_a_strict_typescript_app_compiles(tmp_path, major):
    (tmp_path / "node_modules").symlink_to(tool(major, "esbuild").parent.parent)
    (tmp_path / "app.ts").write_text(APP)
    for name in ("upload-client.js", "uppy-upload-sessions.js"):
        shutil.copy(ROOT / "public" / name, tmp_path)
    shutil.copytree(ROOT / "public/upload-client", tmp_path / "upload-client")
    target = ["--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck"]
    command = [tool("typescript", "tsc"), "--noEmit", "--allowJs", *target, *STRICTEST, "app.ts"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (said.stdout, said.returncode) == ("", 0)


def test_in_node_a_request_is_tried_again():
    """A connection that breaks is no CORS failure there, whatever else the server shows."""

    class Busy(Handler):
        def serve(self):
            server.asked += self.command == "POST"
            if self.command == "POST" and server.asked <= 2:
                self.close_connection = True
                return None
            if server.asked == 3:
                return self.answer(503, [], b"{}")
            return self.answer(200, [], b'{"sessionId": "a-session", "partSizeBytes": 5}')

    with HttpServer(Busy) as server:
        server.asked = 0
        script = f"""
            import {{ UploadClient }} from "{(ROOT / "public/upload-client.js").as_uri()}";
            const session = await new UploadClient({{ baseUrl: "{server.url}" }}).createSession();
            console.log(session.sessionId);
        """
        command = ["node", "--no-warnings", "--input-type=module", "-e", script]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (said.stdout, said.stderr) == ("a-session\n", "")
