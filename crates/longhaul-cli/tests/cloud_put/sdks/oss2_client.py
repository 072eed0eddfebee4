"""`oss2` as a client beside longhaul: oss2_client.py VERB KEY FILE."""

import os
import sys

import oss2
from oss2 import models

VERB, KEY, FILE = sys.argv[1:]
AUTH = oss2.AuthV4(os.environ["OSS_ACCESS_KEY_ID"], os.environ["OSS_ACCESS_KEY_SECRET"])
BUCKET = oss2.Bucket(AUTH, os.environ["OSS_ENDPOINT"], "films", region=os.environ["OSS_REGION"])
COLOUR = {"x-oss-meta-colour": "green"}
PART = 1 << 20


def read():
    with open(FILE, "rb") as file:
        return file.read()


def check():
    """What is there is FILE, by its bytes and by the store's CRC, and dressed as longhaul was told."""
    head = BUCKET.head_object(KEY)
    crc = oss2.utils.Crc64()
    crc.update(read())
    assert (head.content_length, head.server_crc) == (len(read()), crc.crc), (head.content_length, head.server_crc)
    assert head.headers["x-oss-meta-colour"] == "green" and head.content_type == "text/x-test", head.headers
    got = BUCKET.get_object(KEY)
    assert got.read() == read() and got.client_crc == got.server_crc


def put():
    BUCKET.put_object(KEY, read(), headers=COLOUR)


def resumable():
    folder = os.path.dirname(FILE)
    store = oss2.ResumableStore(root=folder)
    oss2.resumable_upload(BUCKET, KEY, FILE, store=store, multipart_threshold=1, part_size=PART, num_threads=2,
                          headers=COLOUR)


def half():
    """The first two parts, and no more; says which upload it is."""
    upload = BUCKET.init_multipart_upload(KEY).upload_id
    for number in (1, 2):
        BUCKET.upload_part(KEY, upload, number, read()[(number - 1) * PART:number * PART])
    print(upload)


def rest():
    """The rest of the upload that was left half done; all of it is still there."""
    (upload,) = [upload.upload_id for upload in oss2.MultipartUploadIterator(BUCKET) if upload.key == KEY]
    parts = list(oss2.PartIterator(BUCKET, KEY, upload))
    assert [part.part_number for part in parts] == [1, 2], parts
    tail = BUCKET.upload_part(KEY, upload, 3, read()[2 * PART:])
    BUCKET.complete_multipart_upload(KEY, upload, parts + [models.PartInfo(3, tail.etag)])


{"check": check, "put": put, "resumable": resumable, "half": half, "rest": rest}[VERB]()
