"""What a client shows its user, a line of JSON for each step."""
import json


def figures(usage):
    if usage is None:
        return None
    dump = getattr(usage, "model_dump", None)
    return dump(mode="json", exclude_none=True) if dump else usage


def show(steps, wanted):
    for name in wanted or steps:
        try:
            text, usage = steps[name]()
            print(json.dumps({"step": name, "text": text, "usage": figures(usage)}), flush=True)
        except Exception as refused:
            kinds = [kind.__name__ for kind in type(refused).__mro__]
            print(json.dumps({"step": name, "error": kinds, "shown": str(refused)}), flush=True)
