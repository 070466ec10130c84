import Uppy from "@uppy/core";
import Dashboard from "@uppy/dashboard";
import GoldenRetriever from "@uppy/golden-retriever";
import "@uppy/core/css/style.min.css";
import "@uppy/dashboard/css/style.min.css";
import { UploadClient } from "../../public/upload-client.js";
import UploadSessions from "../../public/uppy-upload-sessions.js";

new Uppy()
  .use(Dashboard, { inline: true, target: "#app" })
  .use(UploadSessions, { client: new UploadClient({ baseUrl: API_URL }) })
  .use(GoldenRetriever); // goes on after a reload
