// A file of two parts through the client that openapi-typescript and openapi-fetch make of the document.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const [url = "", token = ""] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${token}` } });

const content = new Uint8Array(5 * 1024 * 1024 + 3).fill(97);
const session = must(await api.POST("/api/mocs/uploads/sessions", { body: {} }));
const path = { sessionId: session.sessionId };
const file = must(await api.POST("/api/mocs/uploads/sessions/{sessionId}/files", {
  params: { path },
  body: { name: "two-parts.pdf", size: content.length, type: "application/pdf", partCount: 2 },
}));
const place = { params: { path: { ...path, fileId: file.fileId } } };

const refused = await api.POST("/api/mocs/uploads/sessions/{sessionId}/files/{fileId}/complete", place);
if (refused.error?.error.reason !== "PARTS_MISSING") throw new Error("expected PARTS_MISSING");
const missing: number[] = refused.error.error.details.missingPartNumbers;

let from = 0;
for (const { url, sizeBytes, headers } of file.presignedUrls ?? []) {
  const body = content.slice(from, (from += sizeBytes));
  const put = await fetch(url, { method: "PUT", headers, body });
  if (!put.ok) throw new Error(await put.text());
}
const done = must(await api.POST("/api/mocs/uploads/sessions/{sessionId}/files/{fileId}/complete", place));
console.log(JSON.stringify({ missing, sizeBytes: done.sizeBytes }));

function must<T, E>(answer: { data?: T; error?: E }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

type ItemError = NonNullable<components["schemas"]["BatchResult"]["error"]>;

// The compiler narrows `details` by the reason, and knows every reason that an item can have.
export function advice(error: ItemError): string {
  switch (error.reason) {
    case "FILE_TOO_LARGE":
      return `at most ${error.details.maxSizeBytes} bytes`;
    case "MIME_TYPE_NOT_ALLOWED":
      return `one of ${error.details.allowedTypes.join(", ")}`;
    case "DUPLICATE_FILE_KEY":
      return `go on with ${error.details.fileId}`;
    default:
      return error.message;
  }
}

// @ts-expect-error: a reason that no item of a batch can have
export const impossible: ItemError["reason"] = "SESSION_RATE_LIMIT";
