import botocore.session, json
from botocore.config import Config
from botocore.exceptions import ClientError


def client(service, host):
    return botocore.session.get_session().create_client(
        service, region_name="us-east-1", endpoint_url=f"https://{host}",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        aws_access_key_id="placeholder", aws_secret_access_key="placeholder",
    )


def refusal(ask):
    try:
        ask()
    except ClientError as refused:
        fields = refused.response["ResponseMetadata"]["HTTPHeaders"]
        return {"shown": str(refused), "reason": fields["x-clawgress-reason"], "request_id": fields["x-request-id"]}


answer = client("s3", "site.example").get_object(Bucket="download", Key="1000")
assert len(answer["Body"].read()) == 1000
storage = client("s3", "paste.example")
model = client("bedrock-runtime", "bedrock-runtime.us-east-1.amazonaws.com")
question = [{"role": "user", "content": [{"text": "what is there to do?"}]}]
print(json.dumps([
    refusal(lambda: storage.put_object(Bucket="notes", Key="all", Body=b"x" * 200_000)),
    refusal(lambda: model.converse(modelId="model", messages=question)),
]))
