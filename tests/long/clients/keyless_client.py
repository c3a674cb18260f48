"""Providers' own clients, unmodified, with placeholders in the place of keys: what each step shows its user. Waits at the end,
for whoever wants to look for keys in this process."""
import io, sys
import anthropic, boto3, openai
from botocore.config import Config
from shown import show

question = [{"role": "user", "content": "Tell me a joke"}]
chat = openai.OpenAI(api_key="clawgress:openai", max_retries=0)
messages = anthropic.Anthropic(api_key="clawgress:anthropic", max_retries=0)
keys = {"aws_access_key_id": "clawgress:aws", "aws_secret_access_key": "clawgress:aws", "aws_session_token": "clawgress:aws"}
once = Config(retries={"total_max_attempts": 1})
bedrock = boto3.client("bedrock-runtime", region_name="us-east-1", config=once, **keys)
s3 = boto3.client("s3", region_name="eu-west-1", config=once, **keys)
# URLs that are signed beforehand name the bucket's own region.
regional = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
links = boto3.client("s3", region_name="eu-west-1", endpoint_url="https://s3.eu-west-1.amazonaws.com", config=regional, **keys)


def asked():
    answer = chat.chat.completions.create(model="gpt-4o", max_tokens=64, messages=question)
    return answer.choices[0].message.content, answer.usage


def told():
    answer = messages.messages.create(model="claude-made-up", max_tokens=64, messages=question)
    return answer.content[0].text, answer.usage


def conversed():
    model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    answer = bedrock.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "A joke"}]}])
    return answer["output"]["message"]["content"][0]["text"], answer["usage"]


def put():
    s3.put_object(Bucket="bucket", Key="a folder/näme.txt", Body=b"what is kept")
    return "kept", None


def streamed():
    s3.upload_fileobj(io.BytesIO(b"streamed " * 1000), "bucket", "stream")
    return "kept", None


def got():
    return s3.get_object(Bucket="bucket", Key="a folder/näme.txt")["Body"].read().decode(), None


def presigned():
    import urllib.request
    url = links.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a folder/näme.txt"})
    return urllib.request.urlopen(url).read().decode(), None


show({"openai": asked, "anthropic": told, "bedrock": conversed, "put": put, "stream": streamed, "get": got, "presigned": presigned}, [])
print("done", flush=True)
sys.stdin.read()
