"""The steps of Google's own client, each with what it shows its user: the figures, or the refusal."""
import sys
from google import genai
from google.genai import types
from shown import show

client = genai.Client(api_key="placeholder", http_options=types.HttpOptions(retry_options=types.HttpRetryOptions(attempts=1)))
asked = {
    "model": "gemini-2.5-flash", "contents": "Tell me a joke",
    "config": types.GenerateContentConfig(max_output_tokens=64),
}


def generate():
    answer = client.models.generate_content(**asked)
    return answer.text, answer.usage_metadata


def generate_stream():
    text, usage = "", None
    for event in client.models.generate_content_stream(**asked):
        text += event.text or ""
        usage = event.usage_metadata or usage
    return text, usage


show({"generate": generate, "generate-stream": generate_stream}, sys.argv[1:])
