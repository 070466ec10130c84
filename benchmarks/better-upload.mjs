// better-upload's server part on Node's own HTTP server.
import { createServer } from 'node:http'
import { route } from '@better-upload/server'
import { toNodeHandler } from '@better-upload/server/adapters/node'
import { custom } from '@better-upload/server/clients'

const { STORE, KEY, SECRET, BUCKET, PORT } = process.env
const client = custom({
  host: new URL(STORE).host,
  accessKeyId: KEY,
  secretAccessKey: SECRET,
  region: 'us-east-1',
  secure: false,
  forcePathStyle: true,
})
const big = route({
  multipart: true,
  multipleFiles: true,
  maxFiles: 50,
  maxFileSize: 1e15,
  partSize: 5 * 1024 * 1024,
  onBeforeUpload: () => ({
    generateObjectInfo: ({ file }) => ({ key: `better-upload/${crypto.randomUUID()}-${file.name}` }),
  }),
})
const router = { client, bucketName: BUCKET, routes: { big } }
createServer(toNodeHandler(router)).listen(Number(PORT), '127.0.0.1')
