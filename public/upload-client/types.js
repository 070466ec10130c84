/**
 * The shapes that the client module and its user exchange: types only, nothing that runs.
 *
 * @typedef {{ sessionId: string, partSizeBytes: number, expiresAt?: string, maxFiles?: number }} Session
 * @typedef {{ fileId: string, fileKey: string, name: string, category: string, sizeBytes: number,
 *   status: "pending" | "completed" | "failed", partCount: number, recordedPartCount: number,
 *   fileUrl?: string }} FileSummary
 * @typedef {Session & { status: "active" | "expired" | "cancelled", files: FileSummary[] }} SessionDetail
 * @typedef {{ partNumber: number, url: string, expiresAt: string, sizeBytes: number,
 *   headers: Record<string, string> }} PresignedPart
 * @typedef {{ file: File, fileId?: string, fileKey?: string, category?: string, type?: string }} Choice
 *   A file to register. Choose the `fileId` (a UUID) yourself to be able to ask again after a lost answer.
 *   `fileKey` is the `fileId` by default, so that two files of one name are two files.
 * @typedef {{ sessionId: string, fileId: string, file: File, partCount?: number, partSizeBytes?: number,
 *   presignedUrls?: PresignedPart[], nextPartNumber?: number }} Upload
 *   What `upload` needs. Without URLs it asks which parts are missing: that is a resume.
 * @typedef {Upload & { error?: import("./errors.js").UploadError }} Registration
 * @typedef {"queued" | "uploading" | "waiting" | "completing" | "completed"} State
 *   `waiting`: the network or the server is away, and the client tries again.
 * @typedef {{ fileId: string, state: State, sentBytes: number, totalBytes: number, partSizeBytes: number,
 *   sentByPart: number[] }} Progress
 *   `sentByPart[0]` is how many bytes of part 1 have gone. No number ever falls.
 * @typedef {{ fileId: string, fileUrl: string, sizeBytes: number, etag: string }} CompletedFile
 * @typedef {{ signal?: AbortSignal, pause?: AbortSignal, onProgress?: (progress: Progress) => void }} UploadOptions
 *   `signal` gives up the parts under way; `pause` lets them finish and starts no more.
 * @typedef {{ partNumber: number, etag: string }} ReportedPart
 * @typedef {{ fileId: string, status: string, partCount: number, partSizeBytes: number,
 *   parts: { partNumber: number }[], missingPartNumbers: number[], presignedUrls?: PresignedPart[],
 *   nextPartNumber?: number }} PartsAnswer
 * @typedef {{ refused: boolean }} TokenQuestion `refused`: the API has just answered 401 to the last token
 * @typedef {string | null | undefined} Token
 */

export {};
