"""What people choose: folders, files that are refused, and what the page says of them."""

import os
import re
import struct
import zlib

import pytest
from playwright.sync_api import expect

from tests.browser.page import Page
from tests.browser.test_upload import MIB


@pytest.fixture
def folder(tmp_path):
    """Instructions in folders, and what systems leave beside them."""
    root = tmp_path / "set"
    (root / "inner" / "deep").mkdir(parents=True)
    for path in ("a.pdf", "inner/b.pdf", "inner/deep/b.pdf", "inner/.DS_Store", "Thumbs.db"):
        (root / path).write_bytes(path.encode())
    for n in range(120):  # a browser reads a hundred entries at a time
        (root / "inner" / f"photo-{n}.png").write_bytes(b"png")
    return root


def test_a_chosen_folder_gives_its_files(page, folder):
    page.tab.set_input_files("#folder", folder)
    expect(page.tab.locator("li.file")).to_have_count(123)
    expect(page.tab.locator("li.file[data-state=refused]")).to_have_count(0)


def test_types_are_judged_as_the_api_judges_them(page):
    """A system says the type of a container; a name ends like a member of every JavaScript object."""
    excel, archive = "application/vnd.ms-excel", "application/zip"
    page.drop(
        *((name, kind, name.encode()) for name, kind in (
            ("a.xlsx", archive), ("b.XLSX", "application/x-zip-compressed"), ("c.csv", excel),
            ("d.xls", archive), ("e.constructor", ""), ("f.__proto__", ""), ("g.pdf", "application/x-pdf"),
        ))
    )  # fmt: skip
    expect(page.tab.locator("li.file")).to_have_count(7)
    refused = page.tab.locator("li.file[data-state=refused] h3")
    expect(refused).to_have_text(["d.xls", "e.constructor", "f.__proto__"])


def test_a_dropped_folder_gives_its_files(page, folder):
    """Dropped by the browser itself: a page's own DataTransfer holds no folder."""
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    session = page.tab.context.new_cdp_session(page.tab)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    expect(page.tab.locator("li.file")).to_have_count(123)


def test_what_is_accepted_comes_from_the_api(context, serve):
    page = Page(context.new_page(), serve(AUTH_BYPASS="true", MAX_INSTRUCTION_MB="7")).open()
    hint = page.tab.locator("#choose-hint")
    expect(hint).to_contain_text("Instructions (PDF) up to 7.3\u00a0MB")
    expect(hint).to_contain_text("Images (JPG, PNG, WEBP, GIF) up to 10\u00a0MB")
    accept = page.tab.locator("#input").get_attribute("accept").split(",")
    assert {"application/pdf", ".pdf", ".xlsx", "image/webp"} <= set(accept)


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("build.exe", 10, "Files of the kind .exe are not accepted. Accepted: Instructions (PDF) up to 52"),
        ("README", 10, "Files without an extension are not accepted."),
        ("empty.pdf", 0, "The file is empty"),
        ("huge.csv", 6 * MIB, "Too large: 6.3\u00a0MB, and a parts list may have at most 5.2\u00a0MB."),
    ],
)
def test_a_refused_file_has_no_controls_that_cannot_help(page, files, name, size, words):
    page.choose(files(name, size))
    page.expect_state(name, "refused")
    page.expect_status(name, words)
    expect(page.row(name).get_by_role("button")).to_have_text(["Remove"])
    expect(page.row(name).locator("select")).to_be_disabled()
    expect(page.tab.locator("#start")).to_be_hidden()
    expect(page.tab.locator("#summary")).to_contain_text("1 refused")


def test_refused_files_go_with_one_click(page, files):
    page.choose(files("a.exe", 9), files("b.exe", 9), files("manual.pdf", 500))
    page.tab.get_by_role("button", name="Remove 2 refused").click()
    expect(page.tab.locator("li.file")).to_have_count(1)
    page.start()
    page.expect_state("manual.pdf", "completed")


def test_no_text_is_for_programs(page, files):
    """What the API answers to programs is not what people read, and they get the number to quote."""
    page.tab.route(
        "**/files/batch",
        lambda route: route.fulfill(
            status=422,
            body='{"error": {"code": "VALIDATION_ERROR", "reason": "VALIDATION_ERROR", "message":'
            ' "The request has the wrong shape: see details.fields."}, "requestId": "req-7"}',
        ),
    )
    page.upload(files("manual.pdf", 500))
    page.expect_state("manual.pdf", "failed")
    page.expect_status("manual.pdf", "quote req-7")
    assert "details" not in page.status("manual.pdf")


def test_a_finished_file_has_a_link_where_it_can_be_read_and_an_image_a_preview(context, serve, files):
    site = serve(AUTH_BYPASS="true", PUBLIC_BASE_URL="https://cdn.example")
    page = Page(context.new_page(), site)
    cors = {"Access-Control-Allow-Origin": "*"}
    page.tab.route("https://cdn.example/**", lambda route: route.fulfill(status=200, headers=cors))
    page.open()
    page.drop(("cover.png", "image/png", png(40, 30)), ("manual.pdf", "application/pdf", b"%PDF"))
    page.start()
    link = page.row("manual.pdf").get_by_role("link", name="manual.pdf")
    expect(link).to_have_attribute("href", re.compile("^https://cdn.example/"))
    expect(page.row("cover.png").locator("canvas.preview")).to_be_visible()
    expect(page.row("manual.pdf").locator("canvas.preview")).to_have_count(0)


def test_a_private_store_gives_no_link(page, files):
    page.upload(files("manual.pdf", 500))
    page.expect_state("manual.pdf", "completed")
    page.tab.wait_for_timeout(500)
    expect(page.row("manual.pdf").get_by_role("link")).to_have_count(0)


def test_cancelling_much_asks(context, serve, files, store):
    page = Page(context.new_page(), serve(AUTH_BYPASS="true", MAX_INSTRUCTION_MB="100")).open()
    store.hold(passing=8)
    page.upload(files("big.pdf", 80 * MIB))
    page.wait_for(lambda: (len(store.puts), store.held), (8, 4), seconds=60)
    page.wait_for(lambda: page.row("big.pdf").locator(".whole").count(), 12)  # also those that are held
    page.press("Cancel", "big.pdf")
    dialog = page.tab.get_by_role("dialog", name="Cancel big.pdf?")
    expect(dialog).to_contain_text("63\u00a0MB that have been sent are thrown away.")
    dialog.get_by_role("button", name="Keep uploading").click()
    page.expect_state("big.pdf", "uploading")
    page.press("Cancel", "big.pdf")
    dialog.get_by_role("button", name="Cancel upload").click()
    expect(page.tab.locator("li.file")).to_have_count(0)


def test_a_first_visit_leaves_nothing_in_the_console(context, site, serve):
    for address in (site, serve()):
        tab = context.new_page()
        lines = []
        tab.on("console", lambda message, lines=lines: lines.append(message.text))
        Page(tab, address).open()
        assert lines == []


def test_the_title_is_right_in_a_hidden_tab(page, files, store):
    page.tab.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true });
            window.requestAnimationFrame = () => 0;  // nothing is painted
        }"""
    )
    store.hold(passing=2)
    page.upload(files("manual.pdf", 40 * MIB))
    page.wait_for(lambda: "%" in page.tab.title(), True)
    store.release()
    page.wait_for(page.tab.title, "Uploads")


def test_two_files_of_a_long_name_have_keys_that_the_api_takes(page, api):
    name = "m" * 246 + ".pdf"
    page.drop((name, "application/pdf", b"%PDF one"), (name, "application/pdf", b"%PDF another"))
    page.start()
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(2)
    keys = [file["fileKey"] for file in api.show(page.session_id())["files"]]
    assert keys == [name, "m" * 246 + " (2).pdf"]
    assert all(len(key) <= 255 for key in keys)


def test_two_files_that_only_look_the_same_are_two_files(page, tmp_path):
    """Of one name, size and time, as they come out of an archive; and one of them twice."""
    paths = [tmp_path / folder / "manual.pdf" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(b"%PDF " + path.parent.name.encode())
        os.utime(path, (1_000_000_000, 1_000_000_000))
    page.choose(*paths, paths[0])
    expect(page.tab.locator("li.file")).to_have_count(2)
    page.choose(paths[1])
    expect(page.tab.get_by_role("status")).to_have_text("manual.pdf: in the list already.")
    expect(page.tab.locator("li.file")).to_have_count(2)


def test_one_file_in_two_lots_is_one(page):
    page.tab.evaluate(
        """async () => {
            const { choose } = await import("/choosing.js");
            const make = () => new File(["%PDF"], "manual.pdf", { type: "application/pdf" });
            await Promise.all([choose([make()]), choose([make()])]);
        }"""
    )
    expect(page.tab.locator("li.file")).to_have_count(1)


def test_text_that_is_dropped_is_no_file(page):
    """It goes where it is dropped, which may be the field for a token."""
    taken = page.tab.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.setData("text/plain", "a word");
            return ["dragenter", "dragover", "drop"].map((kind) => {
                const event = new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true });
                return !document.body.dispatchEvent(event) || document.body.classList.contains("dropping");
            });
        }"""
    )
    assert taken == [False, False, False]
    expect(page.tab.locator("li.file")).to_have_count(0)


def test_a_folder_without_files_says_so(page, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".hidden").write_bytes(b"x")
    page.tab.set_input_files("#folder", tmp_path / "empty")
    expect(page.tab.locator("#notice")).to_contain_text("There is no file in that folder.")


def test_what_cannot_be_read_does_not_keep_the_rest_back(page):
    found = page.tab.evaluate(
        """async () => {
            const { filesOf } = await import("/folders.js");
            const file = (name) => ({ name, isFile: true, file: (done) => done(new File(["x"], name)) });
            const folder = (name, readEntries) => ({ name, createReader: () => ({ readEntries }) });
            const broken = { name: "broken", isFile: true, file: (done, fail) => fail(new Error("gone")) };
            const locked = folder("locked", (done, fail) => fail(new Error("no")));
            const some = [[file("a.pdf"), broken, locked, file("b.pdf")], []];
            const set = folder("set", (done) => done(some.shift()));
            const items = [{ kind: "file", webkitGetAsEntry: () => set, getAsFile: () => null }];
            const { files, unreadable } = await filesOf({ items });
            return [files.map(({ name }) => name), unreadable];
        }"""
    )
    assert found == [["a.pdf", "b.pdf"], ["broken", "locked"]]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 502, "body": "<h1>Bad gateway</h1>"},
        {"status": 500, "body": '{"error": {"code": "INTERNAL_ERROR"}}'},
        {"status": 200, "body": "{}"},
        None,
    ],
    ids=["html", "json", "other", "broken"],
)
def test_a_policy_that_could_not_be_loaded_is_said_and_loaded_again(page, files, answer):
    """The page guesses nothing meanwhile."""

    def fail(route):
        return route.fulfill(**answer) if answer else route.abort()

    page.tab.route("**/api/openapi.json", fail)
    page.reload()
    notice = page.tab.locator("#notice")
    expect(notice).to_contain_text("What may be uploaded could not be loaded")
    page.choose(files("manual.pdf", 500), files("photo.tiff", 500))
    expect(page.tab.locator("li.file[data-state=ready][data-category=none]")).to_have_count(2)
    expect(page.row("manual.pdf").locator("select")).to_be_hidden()
    page.tab.unroute("**/api/openapi.json")
    notice.get_by_role("button", name="Try again").click()
    expect(notice).to_be_hidden()
    expect(page.tab.get_by_label("Category of manual.pdf")).to_have_value("instruction")
    page.expect_status("photo.tiff", "Files of the kind .tiff are not accepted. Accepted: Instructions (PDF)")
    expect(page.tab.locator("#choose-hint")).to_contain_text("Instructions (PDF)")
    page.start()
    page.expect_state("manual.pdf", "completed")


def test_without_a_policy_the_api_says_what_a_file_is(page, files, api):
    page.tab.route("**/api/openapi.json", lambda route: route.fulfill(status=404, body="Not here"))
    page.reload()
    page.upload(files("manual.pdf", 500), files("photo.tiff", 500))
    page.expect_state("manual.pdf", "completed")
    page.expect_status("photo.tiff", "Files of the kind .tiff are not accepted.")
    assert "Accepted:" not in page.status("photo.tiff")
    assert [file["category"] for file in api.show(page.session_id())["files"]] == ["instruction"]


def test_sizes_that_look_equal_are_told_apart(context, serve):
    page = Page(context.new_page(), serve(AUTH_BYPASS="true", MAX_INSTRUCTION_MB="7")).open()
    page.drop(("manual.pdf", "application/pdf", b"x" * (7 * MIB + 1)))
    page.expect_status(
        "manual.pdf",
        "Too large: 7,340,033\u00a0bytes, and an instruction may have at most 7,340,032\u00a0bytes.",
    )


def png(width, height):
    """A grey picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
