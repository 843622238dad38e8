// An agent on the official TypeScript SDK. It takes one JSON object a line: first where the SDK and the door are and the token,
// then one tool call after another, each of which it answers with a line.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { join } from 'node:path'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const next = async () => { const { value, done } = await lines.next(); return done ? undefined : JSON.parse(value) }

const at = await next()
const require = createRequire(join(at.tools, 'package.json'))
const { Client } = require('@modelcontextprotocol/sdk/client/index.js')
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js')
const client = new Client({ name: 'writ-e2e-typescript', version: '1' })
await client.connect(new StreamableHTTPClientTransport(new URL(at.url), { requestInit: { headers: { Authorization: `Bearer ${at.token}` } } }))
for (let call = await next(); call; call = await next()) {
	let said
	try {
		const r = await client.callTool({ name: call.tool, arguments: call.args ?? {} })
		said = { text: r.content.map(c => c.text ?? '').join(''), structured: r.structuredContent ?? {}, refuse: r.isError ?? false }
	} catch (e) {
		said = { failed: String(e) }
	}
	process.stdout.write(JSON.stringify(said) + '\n')
}
await client.close()
