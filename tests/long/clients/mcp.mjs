// A client of MCP made with the SDK for JavaScript: `mcp.mjs FOLDER URL`, where FOLDER is that of the package. Lists the
// tools of the server, calls three of them one after the other, and prints what came of each as JSON.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const [folder, url] = process.argv.slice(2);
const { name } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
const part = (path) => import(pathToFileURL(createRequire(`${folder}/package.json`).resolve(path)));
const sdk = name.endsWith("/sdk")
  ? { ...(await part(`${name}/client/index.js`)), ...(await part(`${name}/client/streamableHttp.js`)) }
  : await import(pathToFileURL(`${folder}/dist/index.mjs`));

// Version 2 asks which revision the server speaks; version 1 knows the last but one, and overlooks this.
const options = { versionNegotiation: { mode: "auto" } };
const client = new sdk.Client({ name: "test", version: "1" }, options);
await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url)));
const { tools } = await client.listTools();
const calls = [];
for (const [tool, given] of [
  ["read_file", { path: "/x" }],
  ["send_mail", { to: "bob" }],
  ["grüße_senden", { to: "bob" }],
  ["read_file", { path: "/y" }],
]) {
  try {
    const result = await client.callTool({ name: tool, arguments: given });
    calls.push({ tool, said: result.content[0].text });
  } catch (error) {
    calls.push({ tool, error: error.code, message: error.message, data: error.data });
  }
}
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), calls }));
process.exit(0);
