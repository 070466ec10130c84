// Uppy's Companion, with as little around it as its S3 endpoints need.
import { mkdirSync } from 'node:fs'
import * as companion from '@uppy/companion'
import express from 'express'

const { STORE, KEY, SECRET, BUCKET, PORT, FOLDER } = process.env
mkdirSync(FOLDER, { recursive: true })
const app = express()
app.use(express.json())
app.use(
  companion.app({
    providerOptions: {},
    s3: {
      key: KEY,
      secret: SECRET,
      bucket: BUCKET,
      region: 'us-east-1',
      endpoint: STORE,
      forcePathStyle: true,
      awsClientOptions: { requestChecksumCalculation: 'WHEN_REQUIRED' },
      expires: 3600,
      getKey: ({ filename }) => `companion/${crypto.randomUUID()}-${filename}`,
    },
    server: { host: `127.0.0.1:${PORT}`, protocol: 'http' },
    filePath: FOLDER,
    secret: 'of a benchmark',
    uploadUrls: ['http://127.0.0.1'],
    corsOrigins: true,
    debug: false,
    metrics: false,
  }).app,
)
app.listen(Number(PORT), '127.0.0.1')
