// Runs the published conformance suite of the Model Context Protocol, whose folder is the first argument:
//
//	node conformance.mjs TOOLS list --server
//
// The suite imports fs.globSync, which node 20 has not, for a command that is not used here. A loader gives it one that fails.
import { register } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const fs = "export * from 'node:fs'; export { default } from 'node:fs'; export function globSync() { throw new Error('not in this node') }"
const hook = `export async function resolve(name, context, next) {
	if (name === 'fs' && context.parentURL?.includes('/@modelcontextprotocol/conformance/'))
		return { url: 'data:text/javascript,' + encodeURIComponent(${JSON.stringify(fs)}), shortCircuit: true }
	return next(name, context)
}`
register('data:text/javascript,' + encodeURIComponent(hook))
const main = join(process.argv[2], 'node_modules/@modelcontextprotocol/conformance/dist/index.js')
process.argv.splice(1, 2, main)
await import(pathToFileURL(main))
