import requests

session = requests.Session()
assert session.get("https://site.example/small").text == "hello from upstream\n"
assert len(session.get("https://site.example/1MiB").content) == 1 << 20
sent = session.post("https://site.example/upload", data=iter([b"x" * 100_000] * 3))
assert sent.text == "300000", sent.text
refused = session.post("https://paste.example/upload", data=b"x" * 200_000)
assert refused.status_code == 403, refused
print(refused.text)
