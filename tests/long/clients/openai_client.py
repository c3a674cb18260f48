"""The steps of OpenAI's own client, each with what it shows its user: the figures, or the refusal."""
import json, sys
import openai
from shown import show

client = openai.OpenAI(api_key="placeholder", max_retries=0)
question = [{"role": "user", "content": "Tell me a joke"}]


def chat():
    answer = client.chat.completions.create(model="gpt-4o", max_tokens=64, messages=question)
    return answer.choices[0].message.content, answer.usage


def chat_stream(**more):
    text, usage = "", None
    with client.chat.completions.create(model="gpt-4o", max_tokens=64, messages=question, stream=True, **more) as stream:
        for event in stream:
            text += "".join(choice.delta.content or "" for choice in event.choices)
            usage = event.usage or usage
    return text, usage


def responses():
    answer = client.responses.create(model="gpt-4o", max_output_tokens=64, input="Tell me a joke")
    return answer.output_text, answer.usage


def responses_stream():
    text, usage = "", None
    with client.responses.create(model="gpt-4o", max_output_tokens=64, input="Tell me a joke", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
            if event.type == "response.completed":
                usage = event.response.usage
    return text, usage


def embeddings():
    answer = client.embeddings.create(model="text-embedding-3-small", input="a joke", encoding_format="float")
    return len(answer.data[0].embedding), answer.usage


steps = {
    "chat": chat,
    "chat-stream": lambda: chat_stream(stream_options={"include_usage": True}),
    "chat-stream-uncounted": chat_stream,
    "responses": responses,
    "responses-stream": responses_stream,
    "embeddings": embeddings,
}
show(steps, sys.argv[1:])
