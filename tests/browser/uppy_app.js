// An app with Uppy, as the documentation shows it, with what the tests look at put on the window.
import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import GoldenRetriever from "@uppy/golden-retriever";
import { UploadClient } from "../../public/upload-client.js";
import UploadSessions from "../../public/uppy-upload-sessions.js";

const client = new UploadClient();
const uppy = new Uppy({ id: "test" })
  .use(Dashboard, { inline: true, target: "#app" })
  .use(UploadSessions, { client })
  .use(GoldenRetriever, { indexedDB: { maxFileSize: 100e6 } });

window.uppy = uppy;
window.add = (name, size, type) => uppy.addFile({
  name, type, data: new File([new Uint8Array(size).map((_, i) => (i >> 12) ^ name.charCodeAt(0))], name, { type }),
});
window.stateOf = (name) => {
  const file = uppy.getFiles().find((one) => one.name === name);
  if (!file) return "gone";
  if (file.error) return "failed";
  if (file.progress.uploadComplete) return "done";
  return file.isPaused ? "paused" : file.progress.uploadStarted ? "uploading" : "ready";
};
