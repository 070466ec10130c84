"""Files that go up, files that are refused, and what people can do meanwhile."""

import os

from playwright.sync_api import expect

from tests.browser.page import Page

MIB = 1024 * 1024


def test_of_three_dropped_files_the_refused_one_says_why_and_the_others_go_on(page, api, s3, env):
    manual, parts = os.urandom(6 * MIB), b"part,count\n3001,4\n"
    page.drop(
        ("manual.pdf", "application/pdf", manual),
        ("parts.csv", "text/csv", parts),
        ("setup.exe", "application/x-msdownload", b"MZ"),
    )
    page.start()
    page.expect_state("manual.pdf", "completed")
    page.expect_state("parts.csv", "completed")
    page.expect_state("setup.exe", "refused")
    page.expect_status("setup.exe", "Files of the kind .exe are not accepted. Accepted: Instructions (PDF)")
    expect(page.tab.locator("#summary")).to_contain_text("2 of 2 files done")
    expect(page.tab.locator("#summary")).to_contain_text("1 refused")
    files = api.show(page.session_id())["files"]
    assert [(f["name"], f["category"], f["status"]) for f in files] == [
        ("manual.pdf", "instruction", "completed"),
        ("parts.csv", "parts-list", "completed"),
    ]
    for file, content in zip(files, (manual, parts), strict=True):
        key = file["fileUrl"].partition(f"/{env['MOC_BUCKET']}/")[2]
        assert s3.get_object(Bucket=env["MOC_BUCKET"], Key=key)["Body"].read() == content
    assert page.errors == []


def test_a_category_can_be_changed_before_and_after_a_refusal(page, files, api):
    page.choose(files("cover.png", 1000))
    category = page.tab.get_by_label("Category of cover.png")
    expect(category).to_have_value("image")
    category.select_option("instruction")
    page.start()
    page.expect_state("cover.png", "refused")
    category.select_option("thumbnail")
    page.press("Try again", "cover.png")
    page.expect_state("cover.png", "completed")
    assert [f["category"] for f in api.show(page.session_id())["files"]] == ["thumbnail"]


def test_two_files_of_one_name_are_two_files(page, files, api, tmp_path):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "manual.pdf"
    other.write_bytes(b"%PDF another")
    page.upload(files("manual.pdf", 100), other)
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(2)
    assert [f["fileKey"] for f in api.show(page.session_id())["files"]] == ["manual.pdf", "manual (2).pdf"]


def test_more_files_than_a_batch_holds_go_in_several(page, files):
    page.upload(*(files(f"photo-{n}.png", 500) for n in range(13)))
    expect(page.tab.locator("li.file[data-state=completed]")).to_have_count(13)


def test_at_most_four_parts_are_under_way_and_progress_is_told(page, files, store):
    store.hold(passing=2)
    page.upload(files("manual.pdf", 40 * MIB))
    page.wait_for(lambda: store.held, 4)
    bar = page.tab.get_by_role("progressbar", name="Upload of manual.pdf")
    expect(bar).to_have_attribute("aria-valuemax", "100")
    assert 25 <= int(bar.get_attribute("aria-valuenow")) <= 80
    expect(page.row("manual.pdf").locator(".bricks span")).to_have_count(8)
    expect(page.row("manual.pdf").locator(".bricks span.whole")).not_to_have_count(0)
    store.release()
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_pause_lets_parts_finish_and_resume_sends_only_the_missing_ones(page, files, store):
    page.upload_until_held(store, files("manual.pdf", 40 * MIB), passing=2, held=4)
    page.press("Pause", "manual.pdf")
    page.expect_state("manual.pdf", "pausing")
    store.release()
    page.expect_state("manual.pdf", "paused")
    page.expect_status("manual.pdf", "Paused at 31\u00a0MB of 42\u00a0MB")
    page.tab.wait_for_timeout(500)
    assert len(store.puts) == 6
    page.press("Resume", "manual.pdf")
    page.expect_state("manual.pdf", "completed")
    page.expect_status("manual.pdf", "6 of 8 parts were there already")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_resume_while_it_is_pausing_goes_on_by_itself(page, files, store):
    page.upload_until_held(store, files("manual.pdf", 40 * MIB), passing=2, held=4)
    page.press("Pause", "manual.pdf")
    page.press("Resume", "manual.pdf")
    page.expect_status("manual.pdf", "goes on when what is on its way has arrived")
    store.release()
    page.expect_state("manual.pdf", "completed")
    assert sorted(store.stored()) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_what_is_paused_while_it_is_registered_is_paused_then(page, files, store):
    waiting = []
    page.tab.route("**/files/batch", lambda route: waiting.append(route))
    page.upload(files("manual.pdf", 12 * MIB), files("other.pdf", 500))
    page.wait_for(lambda: len(waiting), 1)
    page.tab.get_by_role("button", name="Pause all").click()
    page.expect_status("manual.pdf", "It is paused then.")
    page.tab.unroute("**/files/batch")  # it goes on
    page.expect_state("manual.pdf", "paused")
    page.expect_state("other.pdf", "paused")
    assert store.puts == []
    page.tab.get_by_role("button", name="Resume all").click()
    page.expect_state("manual.pdf", "completed")
    page.expect_state("other.pdf", "completed")
    assert sorted(store.stored()) == [1, 1, 2, 3]


def test_a_file_of_more_than_five_gigabytes_has_its_parts(context, serve, store, tmp_path, api):
    """Sparse, and given up after the first of its parts."""
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.truncate(size := 5 * 1024 * MIB + 12345)
    page = Page(
        context.new_page(), serve(AUTH_BYPASS="true", DEV_USER_SUB="browser-user", MAX_INSTRUCTION_MB="6000")
    )
    store.hold(passing=2)
    page.open().upload(path)
    page.wait_for(lambda: (len(store.puts), store.held), (2, 4), seconds=60)
    page.expect_status("large.pdf", "of 5.4\u00a0GB")
    parts = api.ok("GET", f"/{page.session_id()}/files/{page.file_id('large.pdf')}/parts")
    assert parts["partCount"] == -(-size // (5 * MIB)) == 1025  # more than one answer has URLs for
    assert len(parts["missingPartNumbers"]) == 1023
    page.press("Cancel", "large.pdf")
    expect(page.row("large.pdf")).to_have_count(0)


def test_cancel_aborts_the_upload_at_the_store(page, files, store, api, s3, env):
    store.hold(passing=1)
    page.upload(files("manual.pdf", 20 * MIB))
    page.wait_for(lambda: len(store.puts), 1)
    session, file = page.session_id(), page.file_id("manual.pdf")
    assert file in open_uploads(s3, env)
    page.press("Cancel", "manual.pdf")
    expect(page.row("manual.pdf")).to_have_count(0)
    assert file not in open_uploads(s3, env)
    assert api.show(session)["files"] == []
    expect(page.tab.locator("#live")).to_have_text("manual.pdf is cancelled.")


def test_cancel_all_asks_first_and_leaves_what_is_finished(page, files, store, api):
    page.upload(files("first.pdf", 1000))
    page.expect_state("first.pdf", "completed")
    page.upload_until_held(store, files("second.pdf", 1000), files("third.pdf", 1000), held=2)
    session = page.session_id()
    page.tab.get_by_role("button", name="Cancel all").click()
    page.tab.get_by_role("button", name="Keep uploading").click()
    assert len(api.show(session)["files"]) == 3
    page.tab.get_by_role("button", name="Cancel all").click()
    page.tab.get_by_role("dialog").get_by_role("button", name="Cancel all").click()
    expect(page.tab.locator("li.file")).to_have_count(1)
    assert [f["name"] for f in api.show(session)["files"]] == ["first.pdf"]
    store.release()
    page.upload(files("fourth.pdf", 1000))  # the cancelled session takes no more: this is a new one
    page.expect_state("fourth.pdf", "completed")
    assert page.session_id() != session


def test_files_with_more_parts_than_one_answer_has_urls(context, serve, files, store):
    page = Page(context.new_page(), serve(AUTH_BYPASS="true", MAX_PRESIGNED_URLS="2")).open()
    page.upload(files("manual.pdf", 40 * MIB), files("other.pdf", 1000))
    page.expect_state("manual.pdf", "completed")
    page.expect_state("other.pdf", "completed")
    assert sorted(store.stored()) == [1, 1, 2, 3, 4, 5, 6, 7, 8]


def open_uploads(s3, env):
    """The keys of the store's unfinished uploads, as one text."""
    uploads = s3.list_multipart_uploads(Bucket=env["MOC_BUCKET"]).get("Uploads", [])
    return " ".join(upload["Key"] for upload in uploads)
