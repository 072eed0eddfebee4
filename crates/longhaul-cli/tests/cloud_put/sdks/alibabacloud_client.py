"""`alibabacloud-oss-v2` as a client beside longhaul: alibabacloud_client.py VERB KEY FILE."""

import os
import sys

import alibabacloud_oss_v2 as oss
from alibabacloud_oss_v2.crc import Crc64

VERB, KEY, FILE = sys.argv[1:]
CONFIG = oss.config.load_default()
CONFIG.credentials_provider = oss.credentials.StaticCredentialsProvider(
    os.environ["OSS_ACCESS_KEY_ID"], os.environ["OSS_ACCESS_KEY_SECRET"]
)
CONFIG.region, CONFIG.endpoint = os.environ["OSS_REGION"], os.environ["OSS_ENDPOINT"]
CLIENT = oss.Client(CONFIG)
HERE = {"bucket": "films", "key": KEY}
COLOUR = {"colour": "green"}
PART = 1 << 20


def read():
    with open(FILE, "rb") as file:
        return file.read()


def check():
    """What is there is FILE, by its bytes and by the store's CRC, and dressed as longhaul was told."""
    head = CLIENT.head_object(oss.HeadObjectRequest(**HERE))
    crc = Crc64(0)
    crc.update(read())
    assert (head.content_length, int(head.hash_crc64)) == (len(read()), crc.sum64()), head
    assert head.metadata["colour"] == "green" and head.content_type == "text/x-test", head
    assert CLIENT.get_object(oss.GetObjectRequest(**HERE)).body.content == read()


def put():
    CLIENT.put_object(oss.PutObjectRequest(**HERE, body=read(), metadata=COLOUR))


def resumable():
    uploader = CLIENT.uploader(part_size=PART, parallel_num=2, enable_checkpoint=True,
                               checkpoint_dir=os.path.dirname(FILE))
    uploader.upload_file(oss.PutObjectRequest(**HERE, metadata=COLOUR), filepath=FILE)


def send(upload, number, body):
    request = oss.UploadPartRequest(**HERE, upload_id=upload, part_number=number, body=body)
    return oss.UploadPart(part_number=number, etag=CLIENT.upload_part(request).etag)


def half():
    """The first two parts, and no more; says which upload it is."""
    upload = CLIENT.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(**HERE)).upload_id
    for number in (1, 2):
        send(upload, number, read()[(number - 1) * PART:number * PART])
    print(upload)


def rest():
    """The rest of the upload that was left half done; all of it is still there."""
    uploads = CLIENT.list_multipart_uploads(oss.ListMultipartUploadsRequest(bucket="films")).uploads
    (upload,) = [upload.upload_id for upload in uploads if upload.key == KEY]
    listed = CLIENT.list_parts(oss.ListPartsRequest(**HERE, upload_id=upload)).parts
    assert [part.part_number for part in listed] == [1, 2], listed
    parts = [oss.UploadPart(part_number=part.part_number, etag=part.etag) for part in listed]
    parts.append(send(upload, 3, read()[2 * PART:]))
    CLIENT.complete_multipart_upload(oss.CompleteMultipartUploadRequest(
        **HERE, upload_id=upload, complete_multipart_upload=oss.CompleteMultipartUpload(parts=parts)))


{"check": check, "put": put, "resumable": resumable, "half": half, "rest": rest}[VERB]()
