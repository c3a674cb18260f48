"""Computes signatures of AWS anew with botocore, from requests as they stood on the wire: a line of JSON for each."""
import base64, hashlib, json, sys
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

keys = json.load(sys.stdin)
credentials = Credentials(keys["id"], keys["secret"])
for taken in keys["requests"]:
    head, body = taken["head"], base64.b64decode(taken["body"])
    line, *fields = head.rstrip("\r\n").split("\r\n")
    method, target, _ = line.split(" ")
    fields = [field.split(":", 1) for field in fields]
    fields = {name.strip(): value.strip() for name, value in fields}
    lower = {name.lower(): value for name, value in fields.items()}
    found = dict(part.split("=", 1) for part in lower["authorization"].split(" ", 1)[1].split(", "))
    _, _, region, service, _ = found["Credential"].split("/")
    request = AWSRequest(method=method, url=f"https://{lower['host']}{target}", data=body)
    for name in found["SignedHeaders"].split(";"):
        request.headers[name] = lower[name]
    request.context["timestamp"] = lower["x-amz-date"]
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, region)
    whole = hashlib.sha256(body).hexdigest()
    said = lower.get("x-amz-content-sha256", whole)
    request.headers["X-Amz-Content-SHA256"] = said if "x-amz-content-sha256" in lower else whole
    signed = found["SignedHeaders"].split(";")
    # Only what the signature says that it covers.
    kept = HTTPHeaders()
    for name in signed:
        kept[name] = lower[name]
    auth.headers_to_sign = lambda request, kept=kept: kept
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    print(json.dumps({
        "service": service, "id": found["Credential"].split("/")[0], "covered": said in (whole, "UNSIGNED-PAYLOAD"),
        "same": signature == found["Signature"], "canonical": canonical,
    }))
