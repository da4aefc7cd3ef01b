"""AWS as moto plays it, with its checks of signatures and policies on. Ends when its standard input does."""
import json
import sys
import urllib.request

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
keys = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "unchecked"}


def client(service):
    paths = Config(s3={"addressing_style": "path"})
    return boto3.client(service, endpoint_url=url, region_name="eu-central-1", config=paths, **keys)


def policy(action):
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    )


trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
iam, s3 = client("iam"), client("s3")
role = iam.create_role(
    RoleName="reports",
    AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
)["Role"]["Arn"]
iam.put_role_policy(RoleName="reports", PolicyName="read", PolicyDocument=policy(["s3:GetObject"]))
iam.create_user(UserName="toolward")
iam.put_user_policy(UserName="toolward", PolicyName="assume", PolicyDocument=policy(["sts:AssumeRole"]))
key = iam.create_access_key(UserName="toolward")["AccessKey"]
where = {"LocationConstraint": "eu-central-1"}
s3.create_bucket(Bucket="repos", CreateBucketConfiguration=where)
issue = {"number": 7, "title": "It drips.", "state": "open", "html_url": url}
body = json.dumps(issue).encode()
s3.put_object(Bucket="repos", Key="acme/site/issues/7", Body=body, ContentType="application/json")

# From here on, every request is checked. Without the type of its content, the switch is not understood.
on = urllib.request.Request(
    f"{url}/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"}
)
urllib.request.urlopen(on).read()

print(json.dumps({"url": url, "role": role, "id": key["AccessKeyId"], "key": key["SecretAccessKey"]}), flush=True)
sys.stdin.read()
server.stop()
