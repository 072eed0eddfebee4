"""What the Python SDK `alibabacloud-oss-v2` does against the store, in both signature versions."""

import base64
import datetime
import io
import json
import os
import sys
import tempfile
import time

import alibabacloud_oss_v2 as oss
import requests

ENDPOINT, ADMIN, REGION, ID, SECRET, CALLBACK = (
    os.environ[name] for name in ("ENDPOINT", "ADMIN", "REGION", "KEY_ID", "KEY_SECRET", "CALLBACK")
)
HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
DATA = bytes((i * 11 + (i >> 8)) % 251 for i in range(1_000_000))


def admin(method, path, body=None):
    reply = requests.request(method, ADMIN + path, json=body, headers={"Content-Type": "application/json"}, timeout=20)
    assert reply.status_code == 200, reply.text
    return reply.json()


def admin_log():
    text = requests.get(f"{ADMIN}/log", timeout=20).text
    return [json.loads(line) for line in text.splitlines()]


def wait_for_lines(count, **wanted):
    """The store writes a line when a request is over, which the client knows a little earlier."""
    deadline = time.monotonic() + 20
    while True:
        lines = [line for line in admin_log() if all(line.get(name) == value for name, value in wanted.items())]
        if len(lines) >= count or time.monotonic() > deadline:
            assert len(lines) == count, (count, wanted, [line["target"] for line in lines])
            return
        time.sleep(0.01)


def client_for(version, key_id=ID, secret=SECRET, token=None, endpoint=ENDPOINT):
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(key_id, secret, token)
    config.region, config.endpoint, config.signature_version = REGION, endpoint, version
    return oss.Client(config)


def fails(code, call, *args):
    try:
        call(*args)
    except oss.exceptions.OperationError as error:
        found = error.unwrap()
        assert isinstance(found, oss.exceptions.ServiceError) and found.code == code, (code, found)
        return found
    raise AssertionError(f"{code} was expected")


def run(version, name):
    client = client_for(version)
    client.put_bucket(oss.PutBucketRequest(bucket=name))
    assert client.get_bucket_info(oss.GetBucketInfoRequest(bucket=name)).bucket_info.name == name
    assert name in [bucket.name for bucket in client.list_buckets(oss.ListBucketsRequest()).buckets]

    key = "dir/a b+c&d=e?f#g%h~é中文.bin"
    put = client.put_object(oss.PutObjectRequest(bucket=name, key=key, body=DATA, metadata={"colour": "green"}))
    head = client.head_object(oss.HeadObjectRequest(bucket=name, key=key))
    assert head.content_length == len(DATA) and head.metadata["colour"] == "green" and head.etag == put.etag
    assert client.get_object(oss.GetObjectRequest(bucket=name, key=key)).body.read() == DATA

    def ranged(text, **more):
        request = oss.GetObjectRequest(bucket=name, key=key, range_header=text, range_behavior="standard", **more)
        return client.get_object(request)

    assert ranged("bytes=10-19").body.read() == DATA[10:20]
    assert ranged("bytes=999990-99999999").body.read() == DATA[-10:]
    fails("InvalidRange", ranged, "bytes=1000000-")
    assert ranged("bytes=0-0", if_match=put.etag).body.read() == DATA[:1]
    fails("PreconditionFailed", lambda: ranged("bytes=0-0", if_match='"ABC"'))
    for condition in ({"if_none_match": put.etag}, {"if_modified_since": head.last_modified.strftime(HTTP_DATE)}):
        same = oss.GetObjectRequest(bucket=name, key=key, **condition)
        # A 304 has no body, and the SDK has no other word for it.
        assert fails("BadErrorResponse", client.get_object, same).status_code == 304
    past = oss.HeadObjectRequest(bucket=name, key=key, if_unmodified_since="Thu, 13 Nov 2025 03:25:45 GMT")
    assert fails("PreconditionFailed", client.head_object, past).status_code == 412
    missing = fails("NoSuchKey", client.head_object, oss.HeadObjectRequest(bucket=name, key="nothing"))
    assert missing.ec == "0026-00000001", missing

    link = client.presign(oss.GetObjectRequest(bucket=name, key=key), expires=datetime.timedelta(seconds=60))
    assert requests.get(link.url, headers=dict(link.signed_headers or {}), timeout=20).content == DATA

    client.copy_object(oss.CopyObjectRequest(bucket=name, key="copy", source_bucket=name, source_key=key))
    assert client.get_object(oss.GetObjectRequest(bucket=name, key="copy")).body.read() == DATA
    one = client.append_object(oss.AppendObjectRequest(bucket=name, key="log", position=0, body=b"one"))
    client.append_object(oss.AppendObjectRequest(bucket=name, key="log", position=one.next_position, body=b"two"))
    assert client.get_object(oss.GetObjectRequest(bucket=name, key="log")).body.read() == b"onetwo"
    for n in range(5):
        client.put_object(oss.PutObjectRequest(bucket=name, key=f"list/{n}", body=b"x"))
    pages = client.list_objects_v2_paginator().iter_page(oss.ListObjectsV2Request(bucket=name, prefix="list/", max_keys=2))
    assert [one.key for page in pages for one in page.contents or []] == [f"list/{n}" for n in range(5)]
    keys = [oss.DeleteObject(key=f"list/{n}") for n in range(5)]
    gone = client.delete_multiple_objects(oss.DeleteMultipleObjectsRequest(bucket=name, objects=keys))
    assert len(gone.deleted_objects) == 5

    # Multipart: a part that is asked for twice keeps its last bytes; the list is the store's own.
    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(bucket=name, key="big")).upload_id
    parts = []
    for number, body in ((1, DATA[:200_000]), (2, b"no"), (2, b"end")):
        part = client.upload_part(oss.UploadPartRequest(bucket=name, key="big", upload_id=upload, part_number=number, body=body))
        parts = [one for one in parts if one.part_number != number]
        parts.append(oss.UploadPart(part_number=number, etag=part.etag))
    listed = client.list_parts(oss.ListPartsRequest(bucket=name, key="big", upload_id=upload))
    assert [(part.part_number, part.size) for part in listed.parts] == [(1, 200_000), (2, 3)]
    uploads = client.list_multipart_uploads(oss.ListMultipartUploadsRequest(bucket=name)).uploads
    assert [one.upload_id for one in uploads] == [upload]
    whole = oss.CompleteMultipartUpload(parts=parts)
    request = oss.CompleteMultipartUploadRequest(bucket=name, key="big", upload_id=upload, complete_multipart_upload=whole)
    done = client.complete_multipart_upload(request)
    assert done.etag.strip('"').endswith("-2"), done.etag
    fails("NoSuchUpload", client.complete_multipart_upload, request)
    assert client.get_object(oss.GetObjectRequest(bucket=name, key="big")).body.read() == DATA[:200_000] + b"end"

    # It retries what is worth it: 503, a reset, a part whose CRC is wrong.
    for fault in ({"kind": "status", "status": 503}, {"kind": "lose-answer", "by": "reset"}, {"kind": "wrong-crc"}):
        rule = admin("POST", "/faults", {"op": "UploadPart,PutObject", "times": 1, **fault})
        client.put_object(oss.PutObjectRequest(bucket=name, key="retried", body=DATA[:1000]))
        struck = [one for one in admin("GET", "/state")["faults"] if one["id"] == rule["id"]]
        assert struck[0]["struck"] == 1, struck
        admin("DELETE", "/faults")
    assert client.get_object(oss.GetObjectRequest(bucket=name, key="retried")).body.read() == DATA[:1000]

    # Resumable transfers, interrupted and resumed.
    with tempfile.TemporaryDirectory() as folder:
        path, back = os.path.join(folder, "up"), os.path.join(folder, "down")
        with open(path, "wb") as file:
            file.write(DATA)
        uploader = client.uploader(part_size=150_000, parallel_num=1, enable_checkpoint=True, checkpoint_dir=folder,
                                   leave_parts_on_error=True)
        admin("POST", "/faults", {"op": "UploadPart", "kind": "status", "status": 403, "skip": 3, "times": 1})

        def upload_file():
            return uploader.upload_file(oss.PutObjectRequest(bucket=name, key="resumed"), filepath=path)

        try:
            upload_file()
            raise AssertionError("the refused part was not noticed")
        except oss.exceptions.BaseError:
            pass
        wait_for_lines(4, bucket=name, key="resumed", op="UploadPart")
        upload_file()
        wait_for_lines(4 + 4, bucket=name, key="resumed", op="UploadPart")
        admin("DELETE", "/faults")
        downloader = client.downloader(part_size=150_000, parallel_num=1, enable_checkpoint=True, checkpoint_dir=folder)
        admin("POST", "/faults", {"op": "GetObject", "kind": "status", "status": 403, "skip": 3, "times": 1})

        def download_file():
            return downloader.download_file(oss.GetObjectRequest(bucket=name, key="resumed"), filepath=back)

        try:
            download_file()
            raise AssertionError("the refused range was not noticed")
        except oss.exceptions.BaseError:
            pass
        wait_for_lines(4, bucket=name, key="resumed", op="GetObject")
        download_file()
        wait_for_lines(4 + 4, bucket=name, key="resumed", op="GetObject")
        admin("DELETE", "/faults")
        with open(back, "rb") as file:
            assert file.read() == DATA

    callbacks(client, name)
    cors(client, name)
    labels(client, name)

    for page in client.list_objects_v2_paginator().iter_page(oss.ListObjectsV2Request(bucket=name)):
        for one in page.contents or []:
            client.delete_object(oss.DeleteObjectRequest(bucket=name, key=one.key))
    client.delete_bucket(oss.DeleteBucketRequest(bucket=name))
    fails("NoSuchBucket", client.get_bucket_info, oss.GetBucketInfoRequest(bucket=name))


def cors(client, name):
    rule = oss.CORSRule(allowed_origins=["http://*.app.test"], allowed_methods=["GET", "PUT"], allowed_headers=["x-oss-*"],
                        expose_headers=["ETag"], max_age_seconds=100)
    rules = oss.CORSConfiguration(cors_rules=[rule], response_vary=True)
    client.put_bucket_cors(oss.PutBucketCorsRequest(bucket=name, cors_configuration=rules))
    got = client.get_bucket_cors(oss.GetBucketCorsRequest(bucket=name)).cors_configuration
    assert got.response_vary and got.cors_rules[0].allowed_origins == ["http://*.app.test"], got
    assert (got.cors_rules[0].expose_headers, got.cors_rules[0].max_age_seconds) == (["ETag"], 100)

    def option(origin):
        return client.option_object(oss.OptionObjectRequest(
            bucket=name, key="any", origin=origin, access_control_request_method="PUT",
            access_control_request_headers="x-oss-date"))

    told = option("http://my.app.test")
    assert told.access_control_allow_origin == "http://my.app.test" and told.access_control_max_age == 100, told
    assert (told.access_control_allow_methods, told.access_control_allow_headers) == ("GET, PUT", "x-oss-date"), told
    fails("AccessForbidden", option, "http://other.test")
    client.delete_bucket_cors(oss.DeleteBucketCorsRequest(bucket=name))
    fails("NoSuchCORSConfiguration", client.get_bucket_cors, oss.GetBucketCorsRequest(bucket=name))


def labels(client, name):
    def tags(key):
        found = client.get_object_tagging(oss.GetObjectTaggingRequest(bucket=name, key=key)).tag_set.tags or []
        return {tag.key: tag.value for tag in found}

    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(
        bucket=name, key="tagged", tagging="a=1&b=2", server_side_encryption="AES256")).upload_id
    part = oss.UploadPartRequest(bucket=name, key="tagged", upload_id=upload, part_number=1, body=b"x")
    parts = oss.CompleteMultipartUpload(parts=[oss.UploadPart(part_number=1, etag=client.upload_part(part).etag)])
    client.complete_multipart_upload(oss.CompleteMultipartUploadRequest(
        bucket=name, key="tagged", upload_id=upload, complete_multipart_upload=parts, acl="public-read"))
    head = client.head_object(oss.HeadObjectRequest(bucket=name, key="tagged"))
    assert (head.tagging_count, head.server_side_encryption) == (2, "AES256"), head
    assert tags("tagged") == {"a": "1", "b": "2"}
    assert client.get_object_acl(oss.GetObjectAclRequest(bucket=name, key="tagged")).acl == "public-read"
    assert requests.get(f"{ENDPOINT}/{name}/tagged", timeout=20).content == b"x"
    client.put_object_acl(oss.PutObjectAclRequest(bucket=name, key="tagged", acl="private"))
    assert requests.get(f"{ENDPOINT}/{name}/tagged", timeout=20).status_code == 403
    tagging = oss.Tagging(tag_set=oss.TagSet(tags=[oss.Tag(key="new", value="tag")]))
    client.put_object_tagging(oss.PutObjectTaggingRequest(bucket=name, key="tagged", tagging=tagging))
    copy = dict(bucket=name, source_bucket=name, source_key="tagged")
    client.copy_object(oss.CopyObjectRequest(key="kept", **copy))
    client.copy_object(oss.CopyObjectRequest(key="replaced", tagging="x=y", tagging_directive="Replace", **copy))
    assert (tags("kept"), tags("replaced")) == ({"new": "tag"}, {"x": "y"})
    client.delete_object_tagging(oss.DeleteObjectTaggingRequest(bucket=name, key="tagged"))
    assert tags("tagged") == {}
    fails("InvalidTag", client.put_object, oss.PutObjectRequest(bucket=name, key="k", body=b"x", tagging="a=b=c"))


def callbacks(client, name):
    """What the application answers comes back, for an object sent at once and for one in parts."""

    def settings(path):
        body = {"callbackUrl": CALLBACK + path, "callbackBody": "key=${object}&n=${x:n}&s=${size}"}
        encode = lambda value: base64.b64encode(json.dumps(value).encode()).decode()
        return {"callback": encode(body), "callback_var": encode({"x:n": "5"})}

    put = client.put_object(oss.PutObjectRequest(bucket=name, key="called", body=b"abc", **settings("/ok")))
    assert json.loads(put.callback_result) == {"heard": "key=called&n=5&s=3"}, put.callback_result
    upload = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(bucket=name, key="called")).upload_id
    part = oss.UploadPartRequest(bucket=name, key="called", upload_id=upload, part_number=1, body=b"abcd")
    parts = oss.CompleteMultipartUpload(parts=[oss.UploadPart(part_number=1, etag=client.upload_part(part).etag)])
    request = oss.CompleteMultipartUploadRequest(
        bucket=name, key="called", upload_id=upload, complete_multipart_upload=parts, **settings("/ok"))
    done = client.complete_multipart_upload(request)
    assert json.loads(done.callback_result) == {"heard": "key=called&n=5&s=4"}, done.callback_result
    failed = client.put_object(oss.PutObjectRequest(bucket=name, key="called", body=b"x", **settings("/no")))
    assert failed.status_code == 203 and "CallbackFailed" in failed.callback_result, failed.callback_result
    assert client.get_object(oss.GetObjectRequest(bucket=name, key="called")).body.read() == b"x"


def sts():
    owner = client_for("v4")
    owner.put_bucket(oss.PutBucketRequest(bucket="sts-v2"))
    owner.put_object(oss.PutObjectRequest(bucket="sts-v2", key="me", body=b"x"))
    key = admin("POST", "/sts", {"seconds": 60})
    for version in ("v1", "v4"):
        guest = client_for(version, key["access_key_id"], key["access_key_secret"], key["security_token"])
        assert guest.get_object(oss.GetObjectRequest(bucket="sts-v2", key="me")).body.read() == b"x"
    admin("POST", "/sts/expire")
    fails("SecurityTokenExpired", guest.get_object, oss.GetObjectRequest(bucket="sts-v2", key="me"))


def skew():
    """The SDK asks three times when the clocks are apart, but does not take the store's time."""
    admin("POST", "/clock", {"offset_ms": 3_600_000})
    fails("RequestTimeTooSkewed", client_for("v4").get_object, oss.GetObjectRequest(bucket="sts-v2", key="me"))
    wait_for_lines(3, code="RequestTimeTooSkewed")
    admin("POST", "/clock", {"offset_ms": 0})


run("v1", "python-v2-v1")
run("v4", "python-v2-v4")
sts()
skew()
print("alibabacloud-oss-v2", oss.__version__, "ok", file=sys.stderr)
