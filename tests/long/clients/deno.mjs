const small = await (await fetch("https://site.example/small")).text();
if (small !== "hello from upstream\n") throw new Error(small);
const sent = await fetch("https://site.example/upload", { method: "POST", body: "x".repeat(300_000) });
if (await sent.text() !== "300000") throw new Error("not what was sent");
const socket = new WebSocket("wss://site.example/ws");
const heard = await new Promise((hear, failed) => {
  socket.onopen = () => socket.send("hello");
  socket.onmessage = (event) => hear(event.data);
  socket.onerror = failed;
});
if (heard !== "hello") throw new Error(heard);
socket.close();
const refused = await fetch("https://paste.example/upload", { method: "POST", body: "x".repeat(200_000) });
if (refused.status !== 403) throw new Error(refused.status);
console.log(await refused.text());
