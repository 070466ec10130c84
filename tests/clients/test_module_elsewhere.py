"""The client module and the Uppy plugin where no browser is: a strict TypeScript build, Node."""

import shutil
import subprocess

import pytest

from dev.npm import tool
from tests.support.http_server import Handler, HttpServer
from tests.support.servers import ROOT, LocalServer

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


def in_node(script, folder=ROOT / "public"):
    """What a script with the module prints, as it prints it."""
    script = f'import * as module from "{(folder / "upload-client.js").as_uri()}";\n{script}'
    command = ["node", "--no-warnings", "--input-type=module", "-e", script]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.stderr == ""
    return said.stdout


@pytest.fixture
def server(env, tmp_path):
    with LocalServer(env | {"AUTH_BYPASS": "true", "RATE_LIMIT_BYPASS": "true"}, tmp_path / "log") as server:
        yield server


def test_a_file_is_sent_where_there_is_no_xmlhttprequest(server):
    """Node, and the service workers of browsers."""
    said = in_node(f"""
        const client = new module.UploadClient({{ baseUrl: "{server.url}" }});
        const file = new File([new Uint8Array(12 << 20)], "manual.pdf", {{ type: "application/pdf" }});
        const [registration] = await client.register(await client.createSession(), [{{ file }}]);
        const sent = new Set();
        const onProgress = ({{ sentBytes }}) => sent.add(sentBytes);
        const done = await client.upload(registration, {{ onProgress }});
        console.log(done.sizeBytes, sent.size);
    """)
    assert said == f"{12 << 20} 4\n"  # each part counts once it is there


def test_a_second_copy_of_the_module_knows_the_errors_of_the_first(server, tmp_path):
    """An app may import it from the API, and its plugin from beside itself."""
    shutil.copytree(ROOT / "public/upload-client", tmp_path / "upload-client")
    shutil.copy(ROOT / "public/upload-client.js", tmp_path)
    said = in_node(
        f"""
        import {{ UploadClient }} from "{(ROOT / "public/upload-client.js").as_uri()}";
        const client = new UploadClient({{ baseUrl: "{server.url}" }});
        const open = module.oneSession(() => client.createSession());
        await client.cancelSession((await open(null)).session.sessionId);
        const file = new File(["a"], "manual.pdf", {{ type: "application/pdf" }});
        const [registration] = await module.registerAcrossSessions(client, [{{ file }}], {{ open }});
        console.log(registration.error ?? "registered");
        """,
        tmp_path,
    )
    assert said == "registered\n"


@pytest.mark.parametrize("address", ["", "localhost:3001", "file:///app/"])
def test_an_address_that_no_request_can_go_to_is_told_at_once(address):
    said = in_node(f"""
        const client = new module.UploadClient({{ baseUrl: "{address}" }});
        await client.createSession().catch(({{ reason, message }}) => console.log(reason, message));
    """)
    assert said.startswith("UNEXPECTED The upload service has no address here: give UploadClient a `baseUrl`")
