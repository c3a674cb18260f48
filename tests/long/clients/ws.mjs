import { createRequire } from "node:module";
const WebSocket = createRequire(process.argv[2])(process.argv[2]);

const socket = new WebSocket("wss://site.example/ws");
await new Promise((open, failed) => socket.on("open", open).on("error", failed));
for (const message of ["hello", "l".repeat(100_000)]) {
  const heard = new Promise((hear) => socket.once("message", hear));
  socket.send(message);
  if (String(await heard) !== message) throw new Error("not what was sent");
}
socket.close();
const refused = new WebSocket("wss://paste.example/ws");
refused.on("unexpected-response", (request, response) => {
  if (response.statusCode !== 403) throw new Error(response.statusCode);
  response.pipe(process.stdout);
});
