import botocore.session, json
from botocore.config import Config
from botocore.exceptions import ClientError


def storage(host):
    return botocore.session.get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=f"https://{host}",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        aws_access_key_id="placeholder", aws_secret_access_key="placeholder",
    )


answer = storage("site.example").get_object(Bucket="download", Key="1000")
assert len(answer["Body"].read()) == 1000
try:
    storage("paste.example").put_object(Bucket="notes", Key="all", Body=b"x" * 200_000)
except ClientError as refused:
    fields = refused.response["ResponseMetadata"]["HTTPHeaders"]
    print(json.dumps({
        "shown": str(refused), "reason": fields["x-clawgress-reason"], "request_id": fields["x-request-id"],
    }))
