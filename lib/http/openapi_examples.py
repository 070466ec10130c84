"""Real requests and responses, made from docs/proof.md by `python -m tests.evidence.examples`."""

import json
from typing import Any

EXAMPLES: dict[str, Any] = json.loads(r"""
{
 "batchRegisterFiles": {
  "status": "201",
  "request": {
   "files": [
    {
     "name": "walls.pdf",
     "size": 12582912,
     "type": "application/pdf"
    },
    {
     "name": "cover.png",
     "size": 1000,
     "type": "image/png",
     "partCount": 1
    },
    {
     "name": "parts.csv",
     "size": 500,
     "type": "text/csv"
    }
   ]
  },
  "response": {
   "results": [
    {
     "fileId": "22222222-2222-4222-8222-000000000004",
     "uploadId": "33333333-3333-4333-8333-000000000004"
    },
    {
     "fileId": "22222222-2222-4222-8222-000000000005",
     "uploadId": "33333333-3333-4333-8333-000000000005",
     "partCount": 1,
     "partSizeBytes": 5242880,
     "presignedUrls": [
      {
       "partNumber": 1,
       "url": "http://localhost:8333/uploads/dev/moc-instructions/dev-user-00000000-0000-0000-0000-000000000001/11111111-1111-4111-8111-000000000003/image/22222222-2222-4222-8222-000000000005-{attempt}.png?uploadId=33333333-3333-4333-8333-000000000005&partNumber=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=REDACTED&X-Amz-Date=20260125T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=content-length%3Bhost&X-Amz-Signature=REDACTED",
       "expiresAt": "2026-01-25T12:15:00Z",
       "sizeBytes": 1000,
       "headers": {
        "Content-Length": "1000",
        "Content-Type": "image/png"
       }
      }
     ]
    },
    {
     "fileId": "22222222-2222-4222-8222-000000000006",
     "uploadId": "33333333-3333-4333-8333-000000000006"
    }
   ],
   "succeeded": 3,
   "failed": 0
  }
 },
 "checkHealth": {
  "status": "200",
  "request": null,
  "response": {
   "status": "ok",
   "database": "ok",
   "bucket": "ok"
  }
 },
 "completeFile": {
  "status": "200",
  "request": {
   "parts": [
    {
     "partNumber": 1,
     "etag": "\"2b5c91ad399409ec9b409b66f5bb00fb\""
    }
   ]
  },
  "response": {
   "fileId": "22222222-2222-4222-8222-000000000009",
   "fileUrl": "http://localhost:8333/uploads/dev/moc-instructions/dev-user-00000000-0000-0000-0000-000000000001/11111111-1111-4111-8111-000000000004/instruction/22222222-2222-4222-8222-000000000009-{attempt}.pdf",
   "sizeBytes": 5242891,
   "etag": "9fdcb811cd4756fa046a042c8f4e10be-2"
  }
 },
 "createSession": {
  "status": "201",
  "request": {
   "metadata": {
    "title": "Castle"
   }
  },
  "response": {
   "sessionId": "11111111-1111-4111-8111-000000000001",
   "partSizeBytes": 5242880,
   "expiresAt": "2026-01-26T12:00:00Z",
   "maxFiles": 50
  }
 },
 "getSession": {
  "status": "200",
  "request": null,
  "response": {
   "sessionId": "11111111-1111-4111-8111-000000000004",
   "partSizeBytes": 5242880,
   "expiresAt": "2026-01-26T12:00:00Z",
   "maxFiles": 50,
   "status": "active",
   "metadata": {
    "maxFiles": 50
   },
   "files": [
    {
     "fileId": "22222222-2222-4222-8222-000000000009",
     "fileKey": "resume-test.pdf",
     "name": "resume-test.pdf",
     "category": "instruction",
     "sizeBytes": 5242891,
     "status": "completed",
     "partCount": 2,
     "recordedPartCount": 2,
     "fileUrl": "http://localhost:8333/uploads/dev/moc-instructions/dev-user-00000000-0000-0000-0000-000000000001/11111111-1111-4111-8111-000000000004/instruction/22222222-2222-4222-8222-000000000009-{attempt}.pdf"
    },
    {
     "fileId": "22222222-2222-4222-8222-000000000010",
     "fileKey": "twice.pdf",
     "name": "twice.pdf",
     "category": "instruction",
     "sizeBytes": 1000,
     "status": "pending",
     "partCount": 1,
     "recordedPartCount": 1
    }
   ]
  }
 },
 "getUploadedParts": {
  "status": "200",
  "request": null,
  "response": {
   "fileId": "22222222-2222-4222-8222-000000000009",
   "status": "pending",
   "partCount": 2,
   "partSizeBytes": 5242880,
   "parts": [
    {
     "partNumber": 1,
     "etag": "2b5c91ad399409ec9b409b66f5bb00fb",
     "uploadedAt": "2026-01-25T12:00:00Z",
     "sizeBytes": 5242880
    }
   ],
   "missingPartNumbers": [
    2
   ],
   "verified": true,
   "presignedUrls": [
    {
     "partNumber": 2,
     "url": "http://localhost:8333/uploads/dev/moc-instructions/dev-user-00000000-0000-0000-0000-000000000001/11111111-1111-4111-8111-000000000004/instruction/22222222-2222-4222-8222-000000000009-{attempt}.pdf?uploadId=33333333-3333-4333-8333-000000000009&partNumber=2&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=REDACTED&X-Amz-Date=20260125T120000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=content-length%3Bhost&X-Amz-Signature=REDACTED",
     "expiresAt": "2026-01-25T12:15:00Z",
     "sizeBytes": 11,
     "headers": {
      "Content-Length": "11",
      "Content-Type": "application/pdf"
     }
    }
   ]
  }
 },
 "registerFile": {
  "status": "201",
  "request": {
   "name": "too-late.pdf",
   "size": 8,
   "type": "application/pdf",
   "partCount": 1
  },
  "response": {
   "fileId": "22222222-2222-4222-8222-000000000003",
   "uploadId": "33333333-3333-4333-8333-000000000003",
   "partCount": 1,
   "partSizeBytes": 5242880,
   "presignedUrls": [
    {
     "partNumber": 1,
     "url": "http://localhost:8333/uploads/dev/moc-instructions/dev-user-00000000-0000-0000-0000-000000000001/11111111-1111-4111-8111-000000000002/instruction/22222222-2222-4222-8222-000000000003-{attempt}.pdf?uploadId=33333333-3333-4333-8333-000000000003&partNumber=1&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=REDACTED&X-Amz-Date=20260125T120000Z&X-Amz-Expires=REDACTED&X-Amz-SignedHeaders=content-length%3Bhost&X-Amz-Signature=REDACTED",
     "expiresAt": "2026-01-25T12:00:08Z",
     "sizeBytes": 8,
     "headers": {
      "Content-Length": "8",
      "Content-Type": "application/pdf"
     }
    }
   ]
  }
 },
 "storePartEtags": {
  "status": "200",
  "request": {
   "parts": [
    {
     "partNumber": 1,
     "etag": "first"
    }
   ]
  },
  "response": {
   "parts": [
    {
     "partNumber": 1,
     "etag": "first",
     "uploadedAt": "2026-01-25T12:00:00Z"
    }
   ]
  }
 }
}
""")
