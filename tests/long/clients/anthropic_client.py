"""The steps of Anthropic's own client, each with what it shows its user: the figures, or the refusal."""
import sys
import anthropic
from shown import show

client = anthropic.Anthropic(api_key="placeholder", max_retries=0)
question = [{"role": "user", "content": "Tell me a joke"}]
asked = {"model": "claude-sonnet-4-5", "max_tokens": 64, "messages": question}


def messages():
    answer = client.messages.create(**asked)
    return answer.content[0].text, answer.usage


def messages_stream():
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message().usage


def count():
    answer = client.messages.count_tokens(model="claude-sonnet-4-5", messages=question)
    return answer.input_tokens, None


show({"messages": messages, "messages-stream": messages_stream, "count": count}, sys.argv[1:])
