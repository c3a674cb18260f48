"""The steps of Amazon's own client, each with what it shows its user: the figures, or the refusal."""
import json, sys
import boto3
from botocore.config import Config
from shown import show

client = boto3.client(
    "bedrock-runtime", region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}),
    aws_access_key_id="placeholder", aws_secret_access_key="placeholder",
)
model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
question = [{"role": "user", "content": [{"text": "Tell me a joke"}]}]
asked = {"modelId": model, "messages": question, "inferenceConfig": {"maxTokens": 64}}
body = json.dumps({
    "anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": "A joke"}],
})


def converse():
    answer = client.converse(**asked)
    return answer["output"]["message"]["content"][0]["text"], answer["usage"]


def converse_stream():
    text, usage = "", None
    for event in client.converse_stream(**asked)["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        usage = event.get("metadata", {}).get("usage", usage)
    return text, usage


def invoke():
    answer = json.loads(client.invoke_model(modelId=model, body=body)["body"].read())
    return answer["content"][0]["text"], answer["usage"]


def invoke_stream():
    text, usage = "", {}
    for event in client.invoke_model_with_response_stream(modelId=model, body=body)["body"]:
        part = json.loads(event["chunk"]["bytes"])
        text += part.get("delta", {}).get("text", "")
        usage |= part.get("message", {}).get("usage", {}) | part.get("usage", {})
    return text, usage


steps = {
    "converse": converse, "converse-stream": converse_stream, "invoke": invoke, "invoke-stream": invoke_stream,
}
show(steps, sys.argv[1:])
