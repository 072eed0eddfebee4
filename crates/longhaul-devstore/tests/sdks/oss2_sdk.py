"""What the Python SDK `oss2` does against the store, in both signature versions. Every step asserts what it got."""

import base64
import hashlib
import json
import os
import sys
import tempfile
import time

import oss2
import requests
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from oss2 import models

ENDPOINT, ADMIN, REGION, ID, SECRET, CALLBACK = (
    os.environ[name] for name in ("ENDPOINT", "ADMIN", "REGION", "KEY_ID", "KEY_SECRET", "CALLBACK")
)
oss2.defaults.connect_timeout = 20
DATA = bytes((i * 7 + (i >> 8)) % 251 for i in range(1_000_000))


def admin(method, path, body=None):
    reply = requests.request(method, ADMIN + path, json=body, headers={"Content-Type": "application/json"}, timeout=20)
    assert reply.status_code == 200, reply.text
    return reply.json()


def fails(code, status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except oss2.exceptions.OssError as error:
        assert (error.code, error.status) == (code, status), (code, error.code, error.status, error.body)
        return error
    raise AssertionError(f"{code} was expected")


def run(auth, name):
    bucket = oss2.Bucket(auth, ENDPOINT, name, region=REGION)
    bucket.create_bucket()
    info = bucket.get_bucket_info()
    assert info.name == name and info.acl.grant == "private" and info.location == "oss-" + REGION
    assert name in [one.name for one in oss2.BucketIterator(oss2.Service(auth, ENDPOINT, region=REGION))]

    # Put, head, get, ranges, conditions. The key has what is hard in paths.
    key = "dir/a b+c&d=e?f#g%h~é中文.bin"
    put = bucket.put_object(key, DATA, headers={"x-oss-meta-colour": "green", "Content-Type": "text/x-test"})
    assert put.etag == hashlib.md5(DATA).hexdigest().upper()
    head = bucket.head_object(key)
    assert head.content_length == len(DATA) and head.headers["x-oss-meta-colour"] == "green"
    assert head.content_type == "text/x-test" and head.server_crc == put.crc
    assert bucket.get_object_meta(key).content_length == len(DATA)
    assert bucket.get_object(key).read() == DATA
    assert bucket.get_object(key, byte_range=(10, 19)).read() == DATA[10:20]
    assert bucket.get_object(key, byte_range=(None, 5)).read() == DATA[-5:]
    whole = bucket.get_object(key, byte_range=(10, 99_999_999))
    assert whole.status == 200 and whole.read() == DATA
    standard = {"x-oss-range-behavior": "standard"}
    assert bucket.get_object(key, byte_range=(999_990, 99_999_999), headers=standard).read() == DATA[-10:]
    fails("InvalidRange", 416, bucket.get_object, key, byte_range=(1_000_000, None), headers=standard)
    assert bucket.get_object(key, headers={"If-Match": put.etag}).read() == DATA
    fails("PreconditionFailed", 412, bucket.get_object, key, headers={"If-Match": "ABC"})
    error = fails("", 304, bucket.get_object, key, headers={"If-None-Match": f'"{put.etag}"'})
    assert isinstance(error, oss2.exceptions.NotModified)
    assert isinstance(fails("NoSuchKey", 404, bucket.head_object, "nothing"), oss2.exceptions.NoSuchKey)
    fails("FileAlreadyExists", 409, bucket.put_object, key, b"x", headers={"x-oss-forbid-overwrite": "true"})
    fails("InvalidDigest", 400, bucket.put_object, "md5", b"x", headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    assert bucket.get_object(key, params={"response-content-type": "a/b"}).headers["Content-Type"] == "a/b"

    # A link works without the SDK, for as long as it is valid.
    for slash_safe in (False, True):
        url = bucket.sign_url("GET", key, 60, slash_safe=slash_safe)
        reply = requests.get(url, headers={"Range": "bytes=0-9"}, timeout=20)
        assert (reply.status_code, reply.content) == (206, DATA[:10]), reply.text
    assert requests.put(bucket.sign_url("PUT", "by-link", 60), data=b"linked", timeout=20).status_code == 200
    assert bucket.get_object("by-link").read() == b"linked"
    assert "SignatureDoesNotMatch" in requests.get(url[:-4] + "AAAA", timeout=20).text
    admin("POST", "/clock", {"offset_ms": 120_000})
    assert "Request has expired" in requests.get(url, timeout=20).text
    admin("POST", "/clock", {"offset_ms": 0})

    # Copy, append, lists, deletes.
    assert bucket.copy_object(name, key, "copy").etag == put.etag
    assert bucket.get_object("copy").read() == DATA
    first = bucket.append_object("log", 0, b"one", init_crc=0)
    second = bucket.append_object("log", first.next_position, b"two", init_crc=first.crc)
    assert second.next_position == 6 and bucket.get_object("log").read() == b"onetwo"
    error = fails("PositionNotEqualToLength", 409, bucket.append_object, "log", 3, b"x")
    assert error.next_position == 6
    for n in range(5):
        bucket.put_object(f"list/{n}", b"x")
    bucket.put_object("list/sub/\x01", b"x")
    listed = [one.key for one in oss2.ObjectIterator(bucket, prefix="list/", max_keys=2)]
    assert listed == [f"list/{n}" for n in range(5)] + ["list/sub/\x01"], listed
    v2 = [one.key for one in oss2.ObjectIteratorV2(bucket, prefix="list/", delimiter="/", max_keys=2)]
    assert v2 == [f"list/{n}" for n in range(5)] + ["list/sub/"], v2
    gone = bucket.batch_delete_objects(["list/0", "list/1", "list/sub/\x01"]).deleted_keys
    assert sorted(gone) == ["list/0", "list/1", "list/sub/\x01"], gone
    bucket.delete_object("list/2")
    assert [one.key for one in oss2.ObjectIterator(bucket, prefix="list/")] == ["list/3", "list/4"]

    # Multipart by hand: pages of parts, copies, wrong lists.
    upload = bucket.init_multipart_upload("big", headers={"x-oss-meta-a": "b"}).upload_id
    parts = []
    for number in (1, 2, 4):
        part = DATA[:200_000] if number < 4 else b"end"
        result = bucket.upload_part("big", upload, number, part)
        parts.append(models.PartInfo(number, result.etag, size=len(part), part_crc=result.crc))
    copied = bucket.upload_part_copy(name, key, (0, 149_999), "big", upload, 3)
    parts.insert(2, models.PartInfo(3, copied.etag))
    page = bucket.list_parts("big", upload, max_parts=3)
    assert [part.part_number for part in page.parts] == [1, 2, 3] and page.is_truncated
    assert [part.part_number for part in bucket.list_parts("big", upload, marker=page.next_marker).parts] == [4]
    assert upload in [one.upload_id for one in oss2.MultipartUploadIterator(bucket)]
    wrong = [models.PartInfo(1, "ABC")] + parts[1:]
    fails("InvalidPart", 400, bucket.complete_multipart_upload, "big", upload, wrong)
    bucket.complete_multipart_upload("big", upload, parts)
    assert bucket.get_object("big").read() == DATA[:200_000] * 2 + DATA[:150_000] + b"end"
    assert bucket.head_object("big").headers["x-oss-object-type"] == "Multipart"
    fails("NoSuchUpload", 404, bucket.complete_multipart_upload, "big", upload, parts)
    small = bucket.init_multipart_upload("small").upload_id
    two = [models.PartInfo(n, bucket.upload_part("small", small, n, b"x").etag) for n in (1, 2)]
    fails("EntityTooSmall", 400, bucket.complete_multipart_upload, "small", small, two)
    bucket.abort_multipart_upload("small", small)
    fails("NoSuchUpload", 404, bucket.list_parts, "small", small)

    cors(bucket)
    labels(bucket)

    # Resumable transfers, interrupted and resumed.
    with tempfile.TemporaryDirectory() as folder:
        path, back = os.path.join(folder, "up"), os.path.join(folder, "down")
        store = oss2.ResumableStore(root=folder)
        with open(path, "wb") as file:
            file.write(DATA)

        def resumable():
            oss2.resumable_upload(bucket, "resumed", path, store=store, multipart_threshold=1, part_size=150_000,
                                  num_threads=1)

        fault = admin("POST", "/faults", {"op": "UploadPart", "kind": "status", "status": 500, "skip": 3, "times": 1})
        fails("InternalError", 500, resumable)
        wait_for_lines(4, bucket=name, key="resumed", op="UploadPart")
        resumable()
        wait_for_lines(4 + 4, bucket=name, key="resumed", op="UploadPart")
        admin("DELETE", f"/faults/{fault['id']}")
        store = oss2.ResumableDownloadStore(root=folder)

        def download():
            oss2.resumable_download(bucket, "resumed", back, store=store, multiget_threshold=1, part_size=150_000,
                                    num_threads=1)

        fault = admin("POST", "/faults", {"op": "GetObject", "kind": "cut", "after": 70_000, "skip": 3, "times": 1})
        try:
            download()
            raise AssertionError("the cut was not noticed")
        except (oss2.exceptions.RequestError, requests.exceptions.RequestException):
            pass
        wait_for_lines(4, bucket=name, key="resumed", op="GetObject")
        download()
        wait_for_lines(4 + 4, bucket=name, key="resumed", op="GetObject")
        with open(back, "rb") as file:
            assert file.read() == DATA
        admin("DELETE", f"/faults/{fault['id']}")

    # A callback that the application answers, and one that it does not.
    def callback(path):
        settings = {"callbackUrl": CALLBACK + path, "callbackBody": "bucket=${bucket}&key=${object}&n=${x:n}&s=${size}"}
        encode = lambda value: base64.b64encode(json.dumps(value).encode()).decode()
        return {"x-oss-callback": encode(settings), "x-oss-callback-var": encode({"x:n": "5"})}

    result = bucket.put_object("called", b"abc", headers=callback("/ok?a=b%20c"))
    assert json.loads(result.resp.read()) == {"heard": f"bucket={name}&key=called&n=5&s=3"}
    result = bucket.put_object("called", b"abcd", headers=callback("/no"))
    assert result.status == 203 and b"CallbackFailed" in result.resp.read()
    assert bucket.get_object("called").read() == b"abcd"
    upload = bucket.init_multipart_upload("called").upload_id
    parts = [models.PartInfo(1, bucket.upload_part("called", upload, 1, b"abcde").etag)]
    done = bucket.complete_multipart_upload("called", upload, parts, headers=callback("/ok"))
    assert json.loads(done.resp.read()) == {"heard": f"bucket={name}&key=called&n=5&s=5"}

    # Lifecycle: an upload that had its time.
    rule = models.LifecycleRule("one", "old/", status="Enabled",
                                abort_multipart_upload=models.AbortMultipartUpload(days=3))
    bucket.put_bucket_lifecycle(models.BucketLifecycle([rule]))
    assert bucket.get_bucket_lifecycle().rules[0].abort_multipart_upload.days == 3
    old = bucket.init_multipart_upload("old/x").upload_id
    admin("POST", "/clock", {"offset_ms": 2 * 86_400_000})
    admin("POST", "/clock", {"offset_ms": 0})
    bucket.list_parts("old/x", old)
    admin("POST", "/clock", {"offset_ms": 4 * 86_400_000})
    admin("POST", "/clock", {"offset_ms": 0})
    fails("NoSuchUpload", 404, bucket.list_parts, "old/x", old)
    bucket.delete_bucket_lifecycle()

    # Clocks apart.
    admin("POST", "/clock", {"offset_ms": 3_600_000})
    assert fails("RequestTimeTooSkewed", 403, bucket.get_bucket_info).details["ServerTime"]
    admin("POST", "/clock", {"offset_ms": 0})

    fails("BucketNotEmpty", 409, bucket.delete_bucket)
    for one in oss2.ObjectIterator(bucket):
        bucket.delete_object(one.key)
    for one in oss2.MultipartUploadIterator(bucket):
        bucket.abort_multipart_upload(one.key, one.upload_id)
    bucket.delete_bucket()
    assert isinstance(fails("NoSuchBucket", 404, bucket.get_bucket_info), oss2.exceptions.NoSuchBucket)


def admin_log():
    text = requests.get(ADMIN + "/log", timeout=20).text
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


def cors(bucket):
    """Rules are put, got and deleted; a page's request is answered by them."""
    fails("NoSuchCORSConfiguration", 404, bucket.get_bucket_cors)
    rule = models.CorsRule(["http://*.app.test"], ["GET", "PUT"], ["*"], ["ETag", "x-oss-request-id"], 100)
    bucket.put_bucket_cors(models.BucketCors([rule, models.CorsRule(["*"], ["GET"])]))
    got = bucket.get_bucket_cors().rules
    assert [one.allowed_origins for one in got] == [["http://*.app.test"], ["*"]]
    assert (got[0].allowed_methods, got[0].allowed_headers) == (["GET", "PUT"], ["*"])
    assert (got[0].expose_headers, got[0].max_age_seconds) == (["ETag", "x-oss-request-id"], 100)
    url = bucket.sign_url("PUT", "page", 60)
    asked = {"Origin": "http://my.app.test", "Access-Control-Request-Method": "PUT"}
    preflight = requests.options(url, headers=asked, timeout=20)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Methods"]) == (200, "GET, PUT"), preflight.text
    sent = requests.put(url, data=b"x", headers={"Origin": asked["Origin"]}, timeout=20)
    assert (sent.status_code, sent.headers["Access-Control-Allow-Origin"]) == (200, asked["Origin"]), sent.text
    other = requests.options(url, headers={**asked, "Origin": "http://other.test"}, timeout=20)
    assert (other.status_code, "AccessForbidden" in other.text) == (403, True), other.text
    bucket.delete_bucket_cors()
    fails("NoSuchCORSConfiguration", 404, bucket.get_bucket_cors)


def labels(bucket):
    """Tags and ACLs, when an object is made and later."""
    bucket.put_object("tagged", b"x", headers={"x-oss-tagging": "a=1&b%20c=%2B", "x-oss-object-acl": "public-read"})
    assert bucket.get_object_tagging("tagged").tag_set.tagging_rule == {"a": "1", "b c": "+"}
    assert bucket.head_object("tagged").headers["x-oss-tagging-count"] == "2"
    assert bucket.get_object_acl("tagged").acl == "public-read"
    anybody = oss2.Bucket(oss2.AnonymousAuth(), ENDPOINT, bucket.bucket_name)
    assert anybody.get_object("tagged").read() == b"x"
    rule = models.TaggingRule()
    rule.add("new", "tag")
    bucket.put_object_tagging("tagged", models.Tagging(rule))
    assert bucket.get_object_tagging("tagged").tag_set.tagging_rule == {"new": "tag"}
    bucket.copy_object(bucket.bucket_name, "tagged", "tag-copy")
    assert bucket.get_object_tagging("tag-copy").tag_set.tagging_rule == {"new": "tag"}
    bucket.delete_object_tagging("tagged")
    assert bucket.get_object_tagging("tagged").tag_set.tagging_rule == {}
    bucket.put_object_acl("tagged", oss2.OBJECT_ACL_PRIVATE)
    assert bucket.get_object_acl("tagged").acl == "private"
    fails("AccessDenied", 403, anybody.get_object, "tagged")
    fails("InvalidTag", 400, bucket.put_object, "tagged", b"y", headers={"x-oss-tagging": "aa=bb=cc"})
    encrypted = bucket.put_object("encrypted", b"x", headers={"x-oss-server-side-encryption": "AES256"})
    assert encrypted.headers["x-oss-server-side-encryption"] == "AES256"
    assert bucket.head_object("encrypted").headers["x-oss-server-side-encryption"] == "AES256"


def sts():
    """Temporary keys: what their policy grants, until they end."""
    owner = oss2.Bucket(oss2.AuthV4(ID, SECRET), ENDPOINT, "sts-bucket", region=REGION)
    owner.create_bucket()
    owner.put_object("read/me", b"x")
    policy = {"Statement": [{"Effect": "Allow", "Action": "oss:GetObject", "Resource": "acs:oss:*:*:sts-bucket/read/*"}]}
    key = admin("POST", "/sts", {"seconds": 60, "policy": policy})
    parts = key["access_key_id"], key["access_key_secret"], key["security_token"]
    for auth in (oss2.StsAuth(*parts), oss2.StsAuth(*parts, auth_version="v4")):
        guest = oss2.Bucket(auth, ENDPOINT, "sts-bucket", region=REGION)
        assert guest.get_object("read/me").read() == b"x"
        assert requests.get(guest.sign_url("GET", "read/me", 60), timeout=20).content == b"x"
        fails("AccessDenied", 403, guest.put_object, "read/me", b"y")
        wrong = oss2.StsAuth(parts[0], parts[1], "other")
        fails("InvalidSecurityToken", 403, oss2.Bucket(wrong, ENDPOINT, "sts-bucket").get_object, "read/me")
    admin("POST", "/sts/expire")
    fails("SecurityTokenExpired", 403, guest.get_object, "read/me")


def assume_role():
    """STS at the store's own address, by the SDK that `oss2` brings along."""
    role = "acs:ram::1234567890123456:role/uploader"
    policy = {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "oss:GetObject", "Resource": "*"}]}

    def ask(method, secret=SECRET, **params):
        client = AcsClient(ID, secret, REGION, auto_retry=False)
        request = CommonRequest(domain=ENDPOINT.removeprefix("http://"), version="2015-04-01", action_name="AssumeRole")
        request.set_protocol_type("http")
        request.set_method(method)
        request.set_accept_format("json")
        add = request.add_query_param if method == "GET" else request.add_body_params
        for name, value in {"RoleArn": role, "RoleSessionName": "app-1", **params}.items():
            add(name, value)
        return json.loads(client.do_action_with_exception(request))

    for method in ("GET", "POST"):
        answer = ask(method, Policy=json.dumps(policy), DurationSeconds=900)
        assert answer["AssumedRoleUser"]["Arn"] == role + "/app-1", answer
        one = answer["Credentials"]
        guest = oss2.StsAuth(one["AccessKeyId"], one["AccessKeySecret"], one["SecurityToken"], auth_version="v4")
        bucket = oss2.Bucket(guest, ENDPOINT, "sts-bucket", region=REGION)
        assert bucket.get_object("read/me").read() == b"x"
        fails("AccessDenied", 403, bucket.put_object, "read/me", b"y")
    admin("POST", "/sts/expire")
    fails("SecurityTokenExpired", 403, bucket.get_object, "read/me")
    for code, more in (
        ("InvalidParameter.RoleArn", {"RoleArn": "acs:ram::1:user/a"}),
        ("InvalidParameter.DurationSeconds", {"DurationSeconds": 1}),
        ("SignatureDoesNotMatch", {"secret": "wrong"}),
    ):
        try:
            ask("GET", **more)
            raise AssertionError(f"{code} was expected")
        except ServerException as error:
            assert error.get_error_code() == code, (code, error)


def five_permissions():
    """A key that may upload in parts and nothing else: not even look at what it uploaded."""
    actions = ["InitiateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "AbortMultipartUpload", "ListParts"]
    policy = {"Statement": [{"Effect": "Allow", "Action": [f"oss:{name}" for name in actions]}]}
    key = admin("POST", "/keys", {"policy": policy})
    guest = oss2.Bucket(oss2.AuthV4(key["access_key_id"], key["access_key_secret"]), ENDPOINT, "sts-bucket", region=REGION)
    upload = guest.init_multipart_upload("five").upload_id
    part = guest.upload_part("five", upload, 1, b"x")
    assert len(guest.list_parts("five", upload).parts) == 1
    guest.complete_multipart_upload("five", upload, [models.PartInfo(1, part.etag)])
    guest.abort_multipart_upload("other", guest.init_multipart_upload("other").upload_id)
    for call in (guest.head_object, guest.get_object, guest.delete_object):
        fails("AccessDenied", 403, call, "five")
    fails("AccessDenied", 403, guest.put_object, "five", b"y")
    fails("AccessDenied", 403, guest.list_objects)

    # Of several keys to delete one is not granted: none is deleted.
    policy = {"Statement": [{"Effect": "Allow", "Action": "oss:DeleteObject", "Resource": "acs:oss:*:*:sts-bucket/mine/*"}]}
    key = admin("POST", "/keys", {"policy": policy})
    auth = oss2.AuthV4(key["access_key_id"], key["access_key_secret"])
    guest = oss2.Bucket(auth, ENDPOINT, "sts-bucket", region=REGION)
    owner = oss2.Bucket(oss2.AuthV4(ID, SECRET), ENDPOINT, "sts-bucket", region=REGION)
    for name in ("mine/a", "mine/b", "other"):
        owner.put_object(name, b"x")
    fails("AccessDenied", 403, guest.batch_delete_objects, ["mine/a", "other"])
    assert owner.object_exists("mine/a")
    assert sorted(guest.batch_delete_objects(["mine/a", "mine/b"]).deleted_keys) == ["mine/a", "mine/b"]


def refusals():
    for auth in (oss2.Auth(ID, "wrong"), oss2.AuthV4(ID, "wrong")):
        bucket = oss2.Bucket(auth, ENDPOINT, "any-bucket", region=REGION)
        error = fails("SignatureDoesNotMatch", 403, bucket.get_object, "k")
        assert "/any-bucket/k" in error.details["StringToSign"] + error.details.get("CanonicalRequest", "")
        head = fails("SignatureDoesNotMatch", 403, bucket.head_object, "k")
        assert head.details["SignatureProvided"]
    bucket = oss2.Bucket(oss2.Auth("nobody", SECRET), ENDPOINT, "any-bucket")
    fails("InvalidAccessKeyId", 403, bucket.get_object, "k")
    bucket = oss2.Bucket(oss2.AnonymousAuth(), ENDPOINT, "sts-bucket")
    fails("AccessDenied", 403, bucket.get_object, "read/me")
    owner = oss2.Bucket(oss2.Auth(ID, SECRET), ENDPOINT, "sts-bucket")
    owner.put_bucket_acl("public-read")
    assert bucket.get_object("read/me").read() == b"x"
    fails("AccessDenied", 403, bucket.put_object, "read/me", b"y")
    bucket = oss2.Bucket(oss2.AuthV4(ID, SECRET), ENDPOINT, "sts-bucket", region="cn-beijing")
    fails("InvalidArgument", 400, bucket.get_object, "read/me")


run(oss2.Auth(ID, SECRET), "oss2-v1")
run(oss2.AuthV4(ID, SECRET), "oss2-v4")
sts()
assume_role()
five_permissions()
refusals()
print("oss2", oss2.__version__, "ok", file=sys.stderr)
