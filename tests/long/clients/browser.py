"""Opens a page in headless Chromium, evaluates an expression in it and prints what came of it, as JSON.

browser.py URL EXPRESSION [SCREENSHOT]: `{"status", "protocol", "type", "text", "value", "console"}` of the page, or `{"error"}`
where it could not be had. Without QUIC, unless the variable `QUIC` says `1`.
"""

import asyncio, base64, json, os, pathlib, subprocess, sys, tempfile, urllib.request, websockets

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=900,500",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
    "--enable-quic" if os.environ.get("QUIC") == "1" else "--disable-quic",
]


class Tab:
    def __init__(self, socket):
        self.socket, self.number, self.answers, self.heard = socket, 0, {}, []
        self.arrived = asyncio.Condition()

    async def listen(self):
        async for message in self.socket:
            message = json.loads(message)
            async with self.arrived:
                if "id" in message:
                    self.answers[message["id"]] = message
                else:
                    self.heard.append(message)
                self.arrived.notify_all()

    async def ask(self, method, **parameters):
        self.number += 1
        number = self.number
        await self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with self.arrived:
            await self.arrived.wait_for(lambda: number in self.answers)
        answer = self.answers[number]
        assert "result" in answer, answer
        return answer["result"]

    async def event(self, method):
        found = lambda: [message["params"] for message in self.heard if message["method"] == method]
        async with self.arrived:
            await self.arrived.wait_for(found)
        return found()


async def visit(address, url, expression, picture):
    async with websockets.connect(address, max_size=None) as socket:
        tab = Tab(socket)
        listener = asyncio.create_task(tab.listen())
        for domain in ["Page", "Network", "Log", "Runtime"]:
            await tab.ask(f"{domain}.enable")
        begun = await tab.ask("Page.navigate", url=url)
        if "errorText" in begun:
            listener.cancel()
            return {"error": begun["errorText"]}
        await tab.event("Page.loadEventFired")

        async def value(expression):
            answer = await tab.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
            assert "exceptionDetails" not in answer, answer
            return answer["result"].get("value")

        said = {"value": await value(expression), "text": await value("document.documentElement.innerText")}
        document = [seen for seen in await tab.event("Network.responseReceived") if seen["type"] == "Document"]
        answer = document[0]["response"]
        said |= {"status": answer["status"], "protocol": answer["protocol"], "type": answer["mimeType"]}
        entries = [message["params"]["entry"] for message in tab.heard if message["method"] == "Log.entryAdded"]
        said["console"] = [entry["text"] for entry in entries]
        if picture:
            shot = await tab.ask("Page.captureScreenshot")
            pathlib.Path(picture).write_bytes(base64.b64decode(shot["data"]))
        listener.cancel()
        return said


def main(url, expression, picture=None):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        chromium = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            for line in chromium.stderr:
                if line.startswith("DevTools listening on "):
                    port = line.rsplit(":", 1)[1].split("/")[0]
                    break
            tabs = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list"))
            page = next(tab for tab in tabs if tab["type"] == "page")
            print(json.dumps(asyncio.run(visit(page["webSocketDebuggerUrl"], url, expression, picture))))
        finally:
            chromium.kill()
            chromium.wait()


main(*sys.argv[1:])
