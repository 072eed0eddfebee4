// What the Node SDK `ali-oss` does against the store, in both signature versions. It sends no bucket to an endpoint
// that is an IP address; to `localhost` it puts the bucket into the host.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const require = createRequire(path.join(process.env.NODE_MODULES, "here.js"));
const OSS = require("ali-oss");
const { ENDPOINT, ADMIN, REGION, KEY_ID, KEY_SECRET, CALLBACK } = process.env;
const DATA = Buffer.from(Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 13 + (i >> 8)) % 251));

async function admin(method, where, body) {
  const reply = await fetch(ADMIN + where, {
    method, body: body && JSON.stringify(body), headers: { "Content-Type": "application/json" },
  });
  assert.equal(reply.status, 200, where);
  return reply.json();
}

async function fails(code, promise) {
  const error = await promise.then(() => null, (error) => error);
  assert.ok(error, `${code} was expected`);
  assert.equal(error.code, code, String(error));
  return error;
}

function clientFor(v4, more = {}) {
  return new OSS({
    endpoint: ENDPOINT, region: `oss-${REGION}`, accessKeyId: KEY_ID, accessKeySecret: KEY_SECRET, authorizationV4: v4,
    timeout: 30_000, ...more,
  });
}

async function run(v4, bucket) {
  // The bucket is made beforehand: to an IP address its name is not sent.
  const client = clientFor(v4, { bucket });
  const key = "dir/a b+c&d=e~é中文.bin";
  const put = await client.put(key, DATA, { headers: { "x-oss-meta-colour": "green" }, mime: "text/x-test" });
  assert.equal(put.res.headers.etag, `"${createHash("md5").update(DATA).digest("hex").toUpperCase()}"`);
  const head = await client.head(key);
  assert.equal(head.meta.colour, "green");
  assert.equal(head.res.headers["content-length"], String(DATA.length));
  const got = await client.get(key);
  assert.ok(got.content.equals(DATA));
  const range = await client.get(key, { headers: { Range: "bytes=10-19" } });
  assert.equal(range.res.status, 206);
  assert.ok(range.content.equals(DATA.subarray(10, 20)));
  const silent = await client.get(key, { headers: { Range: "bytes=10-99999999" } });
  assert.equal(silent.res.status, 200);
  await fails("PreconditionFailed", client.get(key, { headers: { "If-Match": "ABC" } }));
  const same = await client.get(key, { headers: { "If-Match": put.res.headers.etag } });
  assert.ok(same.content.equals(DATA));
  const unchanged = { headers: { "If-None-Match": put.res.headers.etag } };
  assert.equal((await client.get(key, unchanged)).res.status, 304);
  const since = { headers: { "If-Modified-Since": head.res.headers["last-modified"] } };
  assert.equal((await client.head(key, since)).status, 304);
  await fails("NoSuchKey", client.get("nothing"));
  await fails("NoSuchKey", client.head("nothing"));

  await client.copy("copy", key);
  assert.ok((await client.get("copy")).content.equals(DATA));
  const first = await client.append("log", Buffer.from("one"));
  await client.append("log", Buffer.from("two"), { position: first.nextAppendPosition });
  assert.equal((await client.get("log")).content.toString(), "onetwo");
  for (let n = 0; n < 5; n++) await client.put(`list/${n}`, Buffer.from("x"));
  const names = [];
  let token;
  do {
    const page = await client.listV2({ prefix: "list/", "max-keys": 2, "continuation-token": token });
    names.push(...page.objects.map((one) => one.name));
    token = page.nextContinuationToken;
  } while (token);
  assert.deepEqual(names, [0, 1, 2, 3, 4].map((n) => `list/${n}`));
  const old = await client.list({ prefix: "list/", "max-keys": 2 });
  assert.deepEqual([old.objects.length, old.isTruncated, old.nextMarker], [2, true, "list/1"]);
  const gone = await client.deleteMulti(["list/0", "list/1"]);
  assert.equal(gone.deleted.length, 2);
  await client.delete("list/2");

  // Resumable upload: interrupted by a part that is refused, resumed from the checkpoint of the last progress.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ali-oss-"));
  try {
    const file = path.join(folder, "up");
    fs.writeFileSync(file, DATA);
    let checkpoint;
    const options = { partSize: 150_000, parallel: 1, progress: (_, saved) => { checkpoint = saved; } };
    await admin("POST", "/faults", { op: "UploadPart", kind: "status", status: 500, skip: 3, times: 1 });
    assert.ok(await client.multipartUpload("resumed", file, options).then(() => null, (error) => error));
    await admin("DELETE", "/faults");
    assert.equal(checkpoint.doneParts.length, 3);
    await client.multipartUpload("resumed", file, { ...options, checkpoint });
    assert.ok((await client.get("resumed")).content.equals(DATA));

    // With a callback the application's answer comes back, also when completing.
    const callback = {
      url: `${CALLBACK}/ok`, body: "bucket=${bucket}&key=${object}&n=${x:n}&s=${size}", customValue: { n: "5" },
    };
    const called = await client.put("called", Buffer.from("abc"), { callback });
    assert.deepEqual(called.data, { heard: `bucket=${bucket}&key=called&n=5&s=3` });
    const completed = await client.multipartUpload("called", file, { partSize: 150_000, callback });
    assert.deepEqual(completed.data, { heard: `bucket=${bucket}&key=called&n=5&s=1000000` });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }

  await client.put("tagged", Buffer.from("x"), { headers: { "x-oss-tagging": "a=1&b%20c=%2B" } });
  assert.deepEqual((await client.getObjectTagging("tagged")).tag, { a: "1", "b c": "+" });
  await client.putObjectTagging("tagged", { new: "tag" });
  assert.deepEqual((await client.getObjectTagging("tagged")).tag, { new: "tag" });
  assert.equal((await client.head("tagged")).res.headers["x-oss-tagging-count"], "1");
  await client.deleteObjectTagging("tagged");
  assert.deepEqual((await client.getObjectTagging("tagged")).tag, {});
  assert.equal((await client.getACL("tagged")).acl, "default");
  await client.putACL("tagged", "public-read");
  assert.equal((await client.getACL("tagged")).acl, "public-read");
  assert.equal(await (await fetch(`${ENDPOINT}/${bucket}/tagged`)).text(), "x");

  await fails("SignatureDoesNotMatch", clientFor(v4, { bucket, accessKeySecret: "wrong" }).get(key));
  const sts = await admin("POST", "/sts", { seconds: 60 });
  const guest = clientFor(v4, {
    bucket, accessKeyId: sts.access_key_id, accessKeySecret: sts.access_key_secret, stsToken: sts.security_token,
  });
  assert.ok((await guest.get(key)).content.equals(DATA));
  await admin("POST", "/sts/expire");
  await fails("SecurityTokenExpired", guest.get(key));
}

// Temporary keys from the SDK's own client of STS.
async function assumeRole(bucket) {
  const sts = new OSS.STS({ accessKeyId: KEY_ID, accessKeySecret: KEY_SECRET, endpoint: ENDPOINT });
  const role = "acs:ram::1234567890123456:role/uploader";
  const policy = { Version: "1", Statement: [{ Effect: "Allow", Action: ["oss:GetObject"], Resource: ["*"] }] };
  const { credentials } = await sts.assumeRole(role, policy, 900, "app-1");
  const guest = clientFor(true, {
    bucket, accessKeyId: credentials.AccessKeyId, accessKeySecret: credentials.AccessKeySecret,
    stsToken: credentials.SecurityToken,
  });
  assert.equal((await guest.get("log")).content.toString(), "onetwo");
  await fails("AccessDenied", guest.put("log", Buffer.from("x")));
  await fails("InvalidParameter.RoleSessionName", sts.assumeRole(role, null, 900, "a b"));
  const wrong = new OSS.STS({ accessKeyId: KEY_ID, accessKeySecret: "wrong", endpoint: ENDPOINT });
  await fails("SignatureDoesNotMatch", wrong.assumeRole(role));
}

// The form of a browser, signed by the SDK as an application's server would, sent by what sends forms here.
async function forms(bucket) {
  const client = clientFor(false, { bucket });
  const now = new Date();
  const date = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const expiration = new Date(now.getTime() + 3_600_000).toISOString();
  const conditions = [{ bucket }, ["content-length-range", 1, 1_000_000], ["starts-with", "$key", "form/"]];
  const v4 = {
    "x-oss-signature-version": "OSS4-HMAC-SHA256",
    "x-oss-credential": `${KEY_ID}/${date.slice(0, 8)}/${REGION}/oss/aliyun_v4_request`,
    "x-oss-date": date,
  };
  const v4policy = { expiration, conditions: [...conditions, ...Object.entries(v4).map(([k, v]) => ({ [k]: v }))] };
  const proofs = [
    client.calculatePostSignature({ expiration, conditions }),
    {
      ...v4, policy: Buffer.from(JSON.stringify(v4policy)).toString("base64"),
      "x-oss-signature": client.signPostObjectPolicyV4(v4policy, now),
    },
  ];
  async function send(fields, file) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", new Blob([file], { type: "image/png" }), "é中文.png");
    return fetch(`${ENDPOINT}/${bucket}`, { method: "POST", body: form, redirect: "manual" });
  }
  for (const proof of proofs) {
    const fields = { key: "form/${filename}", success_action_status: "200", "x-oss-meta-a": "b", ...proof };
    const sent = await send(fields, DATA);
    assert.equal(sent.status, 200, await sent.text());
    const got = await client.get("form/é中文.png");
    assert.ok(got.content.equals(DATA));
    assert.deepEqual([got.res.headers["content-type"], got.res.headers["x-oss-meta-a"]], ["image/png", "b"]);
    for (const [change, status, code] of [
      [{ key: "elsewhere" }, 403, "AccessDenied"],
      [{ policy: Buffer.from("{}").toString("base64") }, 403, "SignatureDoesNotMatch"],
    ]) {
      const refused = await send({ ...fields, ...change }, DATA);
      assert.equal(refused.status, status);
      assert.ok((await refused.text()).includes(`<Code>${code}</Code>`), code);
    }
    assert.equal((await send(fields, Buffer.concat([DATA, DATA]))).status, 400, "longer than the policy allows");
  }
}

// Links: it makes none for an IP address, so the bucket's own host name is the store's, given as a custom domain.
async function links(bucket) {
  const custom = clientFor(false, { bucket, endpoint: ENDPOINT.replace("127.0.0.1", "cname.test"), cname: true });
  const v1 = new URL(custom.signatureUrl("log", { expires: 60 }));
  const v4client = clientFor(true, { bucket, endpoint: ENDPOINT.replace("127.0.0.1", "cname.test"), cname: true });
  const v4 = new URL(await v4client.signatureUrlV4("GET", 60, undefined, "log"));
  for (const url of [v1, v4]) {
    const text = await viaHost(url);
    assert.equal(text, "onetwo", url.search.replace(/=[^&]*/g, ""));
  }
}

// Asks the store's address under the link's host name.
async function viaHost(url) {
  const http = await import("node:http");
  const at = new URL(ENDPOINT);
  return new Promise((resolve, reject) => {
    const request = { host: at.hostname, port: at.port, path: url.pathname + url.search, headers: { Host: url.host } };
    http.get(request, (reply) => {
      let text = "";
      reply.on("data", (more) => { text += more; }).on("end", () => resolve(text));
    }).on("error", reject);
  });
}

await run(false, "node-v1");
await run(true, "node-v4");
await links("node-v1");
await forms("node-v1");
await assumeRole("node-v1");
console.error("ali-oss", require("ali-oss/package.json").version, "ok");
