//! Reply head → verdict, a line per case; and reply head → facts.
//!
//! A line reads `asked | recorded | head | verdict`. Asked is `0-`, `10-`, `10-20` (half-open) or `whole` (no `Range`),
//! with `?` when a condition was sent. Recorded is one of the names in [`recorded`]. The head is a status and fields
//! between ` ; `; `@N` stands for the HTTP date N seconds after the epoch. "Now" is `@5000`.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of test functions

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::identity::Identity;
use longhaul_core::reply::{ContentRange, Framing, RangeRequest, ReplyFacts, ReplyVerdict, judge, judge_part};
use longhaul_core::window::Window;
use std::time::{Duration, UNIX_EPOCH};

const NOW: i64 = 5000;

const TABLE: &str = r#"
# a first reply, nothing recorded
0-      | -       | 206 ; content-range: bytes 0-99/100 ; content-length: 100 ; etag: "a"  | use unknown 0..100 of 100
0-      | -       | 206 ; content-range: bytes 0-99/100                                    | use unknown 0..100 of 100
0-      | -       | 206 ; content-range: bytes 0-49/100 ; content-length: 50               | use unknown 0..50 of 100
0-      | -       | 200 ; content-length: 100 ; etag: "a"                                  | use unknown 0..100 of 100 whole
0-      | -       | 200 ; transfer-encoding: chunked                                       | use unknown 0..? of ? whole
0-      | -       | 200                                                                    | use unknown 0..? of ? whole
whole   | -       | 200 ; content-length: 100                                              | use unknown 0..100 of 100 whole
0-      | -       | 200 ; content-length: 0 ; etag: "a"                                    | empty
0-      | -       | 200 ; content-length: 0                                                | empty
0-      | -       | 416 ; content-range: bytes */0                                         | empty
0-      | -       | 416 ; content-range: bytes */0 ; content-type: text/html ; content-length: 500 | empty
0-      | -       | 416                                                                    | ask whole
0-      | -       | 416 ; content-range: bytes */100                                       | suspect BadUnsatisfied
0-      | -       | 416 ; content-range: garbage                                           | ask whole
50-     | -       | 416 ; content-range: bytes */40                                        | ends at 40
0-      | -       | 200 ; content-length: 100 ; content-type: text/html                    | use unknown 0..100 of 100 whole
0-      | -       | 206 ; content-range: bytes 0-99/100 ; content-length: 100 ; content-encoding: gzip ; etag: "a" | use unknown 0..100 of 100

# later replies that fit
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-length: 90 ; etag: "a"  | use same 10..100 of 100
10-20   | strong  | 206 ; content-range: bytes 10-19/100 ; content-length: 10 ; etag: "a"  | use same 10..20 of 100
10-20   | strong  | 206 ; content-range: bytes 10-19/* ; content-length: 10 ; etag: "a"    | use same 10..20 of ?
10-     | strong  | 206 ; content-range: bytes 10-99/* ; etag: "a"                         | use same 10..100 of ?
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; transfer-encoding: chunked ; etag: "a" | use same 10..100 of 100
10-     | strong  | 206 ; content-range: BYTES 10-99/100 ; etag: "a"                       | use same 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-range: bytes 10-99/100 ; etag: "a" | use same 10..100 of 100
10-?    | dated   | 206 ; content-range: bytes 10-99/100 ; last-modified: @1000            | use same 10..100 of 100
10-?    | dated   | 206 ; content-range: bytes 10-99/100 ; last-modified: @1000 ; date: @1001 | use same 10..100 of 100
10-     | version | 206 ; content-range: bytes 10-99/100 ; x-amz-version-id: v1 ; etag: "b" | use same 10..100 of 100
10-     | version | 206 ; content-range: bytes 10-99/100 ; x-oss-version-id: v1            | use same 10..100 of 100
10-     | gzip    | 206 ; content-range: bytes 10-99/100 ; content-length: 90 ; etag: "a" ; content-encoding: GZip | use same 10..100 of 100
10-     | gzip    | 206 ; content-range: bytes 10-99/100 ; content-length: 90 ; etag: "a" ; content-encoding: x-gzip | use same 10..100 of 100
10-     | gzip    | 206 ; content-range: bytes 10-99/100 ; transfer-encoding: chunked ; etag: "a" ; content-encoding: gzip | ask whole
0-      | -       | 206 ; content-range: bytes 0-99/100 ; transfer-encoding: chunked ; etag: "a" ; content-encoding: gzip | ask whole

# ranges that start early, late, end short, or long
50-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-length: 90 ; etag: "a"  | use same 10..100 of 100
50-     | strong  | 206 ; content-range: bytes 0-99/100 ; content-length: 100 ; etag: "a"  | use same 0..100 of 100
50-     | strong  | 206 ; content-range: bytes 60-99/100 ; etag: "a"                       | suspect StartsLate
50-     | strong  | 206 ; content-range: bytes 50-59/100 ; etag: "a"                       | use same 50..60 of 100
50-60   | strong  | 206 ; content-range: bytes 50-99/100 ; etag: "a"                       | use same 50..100 of 100
50-     | strong  | 206 ; content-range: bytes 0-49/100 ; etag: "a"                        | suspect BadContentRange
50-     | strong  | 206 ; content-range: bytes 50-149/* ; etag: "a"                        | suspect BadContentRange

# Content-Range that is not to the letter, and can mean but one thing
10-     | strong  | 206 ; content-range: bytes=10-99/100 ; etag: "a"                       | use same 10..100 of 100
10-     | strong  | 206 ; content-range: bytes: 10-99/100 ; etag: "a"                      | use same 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10-99 / 100 ; etag: "a"                     | use same 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10 - 99/100 ; etag: "a"                     | use same 10..100 of 100
10-     | strong  | 206 ; content-range: Bytes10-99/100 ; etag: "a"                        | use same 10..100 of 100
10-     | strong  | 206 ; content-range: 10-99/100 ; etag: "a"                             | use same 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10-99 ; etag: "a"                           | use same 10..100 of ?
10-     | strong  | 206 ; content-range: bytes=10-99/101 ; etag: "a"                       | changed
0-      | -       | 206 ; content-range: bytes=0-99/100 ; content-length: 99               | suspect LengthContradiction
0-      | -       | 416 ; content-range: bytes=*/0                                         | empty

# Content-Range that cannot be
10-     | strong  | 206 ; etag: "a"                                                        | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-100/100 ; etag: "a"                      | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 20-10/100 ; etag: "a"                       | suspect BadContentRange
100-    | strong  | 206 ; content-range: bytes 100-99/100 ; content-length: 0 ; etag: "a"  | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes */100 ; etag: "a"                           | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes */* ; etag: "a"                             | suspect BadContentRange
10-     | strong  | 206 ; content-range: items 10-99/100 ; etag: "a"                       | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes=10-100/100 ; etag: "a"                      | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-/100 ; etag: "a"                          | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes -99/100 ; etag: "a"                         | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes==10-99/100 ; etag: "a"                      | suspect BadContentRange
10-     | strong  | 206 ; content-range: =10-99/100 ; etag: "a"                            | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-99/ ; etag: "a"                          | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-99,0-5/100 ; etag: "a"                   | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 1 0-99/100 ; etag: "a"                      | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes * ; etag: "a"                               | suspect BadContentRange
10-     | strong  | 206 ; content-range: bits 10-99/100 ; etag: "a"                        | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes +10-99/100 ; etag: "a"                      | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-18446744073709551615/* ; etag: "a"       | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-99999999999999999999/100 ; etag: "a"     | suspect BadContentRange
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-range: bytes 11-99/100 ; etag: "a" | suspect BadContentRange
10-     | strong  | 206 ; content-type: multipart/byteranges; boundary=x ; content-length: 300 ; etag: "a" | suspect BadContentRange
10-     | strong  | 206 ; content-type: multipart/byteranges; boundary=x ; content-range: bytes 10-99/100 ; etag: "a" | suspect BadContentRange
0-      | -       | 206 ; content-range: bytes 0-99/*                                      | ask whole
10-     | nolen   | 206 ; content-range: bytes 10-99/* ; etag: "a"                         | ask whole
10-     | nolen   | 206 ; content-range: bytes 10-99/100 ; etag: "a"                       | use same 10..100 of 100
whole   | -       | 206 ; content-range: bytes 0-99/100                                    | suspect UnaskedRange
whole   | strong  | 206 ; content-range: bytes 0-99/100 ; etag: "a"                        | suspect UnaskedRange

# lengths that lie
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-length: 100 ; etag: "a" | suspect LengthContradiction
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-length: 5 ; etag: "a"   | suspect LengthContradiction
0-      | -       | 200 ; content-length: 100 ; content-length: 101                        | suspect BadFraming
0-      | -       | 200 ; content-length: 100 ; content-length: 100                        | use unknown 0..100 of 100 whole
0-      | -       | 200 ; content-length: 100, 100                                         | use unknown 0..100 of 100 whole
0-      | -       | 200 ; content-length: 100, 101                                         | suspect BadFraming
0-      | -       | 200 ; content-length: -1                                               | suspect BadFraming
0-      | -       | 200 ; content-length: 18446744073709551615                             | suspect BadFraming
0-      | -       | 206 ; content-range: bytes 0-99/100 ; content-length: 1e2              | suspect BadFraming
0-      | -       | 200 ; content-length: 100 ; transfer-encoding: chunked                 | use unknown 0..? of ? whole
0-      | -       | 200 ; transfer-encoding: gzip, chunked                                 | suspect BadFraming
0-      | -       | 200 ; transfer-encoding: identity ; content-length: 100                | use unknown 0..100 of 100 whole
0-      | -       | 200 ; transfer-encoding: Identity                                      | use unknown 0..? of ? whole
0-      | -       | 200 ; transfer-encoding: identity ; content-length: 1, 2               | suspect BadFraming
0-      | -       | 200 ; transfer-encoding: identity, chunked ; content-length: 100       | suspect BadFraming
0-      | -       | 200 ; transfer-encoding: chunked, identity                             | suspect BadFraming
0-      | -       | 200 ; transfer-encoding: gzip                                          | suspect BadFraming
10-     | strong  | 206 ; content-range: bytes 10-119/120 ; etag: "a"                      | changed
10-     | strong  | 200 ; content-length: 120 ; etag: "a"                                  | use different 0..120 of 120 whole
0-      | -       | 200 ; content-length: 5 ; content-range: bytes 5-9/10                  | ask whole
whole   | -       | 200 ; content-length: 5 ; content-range: bytes 5-9/10                  | suspect BadContentRange
0-      | -       | 200 ; content-length: 10 ; content-range: bytes 0-9/10                 | use unknown 0..10 of 10 whole

# validators: changed, weak, missing, malformed
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; etag: "b"                       | changed
10-     | strong  | 200 ; content-length: 100 ; etag: "b"                                  | use different 0..100 of 100 whole
10-     | strong  | 200 ; content-length: 100 ; etag: "a"                                  | use same 0..100 of 100 whole
10-     | strong  | 200 ; transfer-encoding: chunked ; etag: "a"                           | use same 0..? of ? whole
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; etag: W/"a"                     | use unknown 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10-99/100                                   | use unknown 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; etag: a                         | use unknown 10..100 of 100
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; etag: "a" ; etag: "b"           | use unknown 10..100 of 100
10-     | strong  | 200 ; content-length: 100                                              | use unknown 0..100 of 100 whole
10-     | weak    | 206 ; content-range: bytes 10-99/100 ; etag: W/"a"                     | use unknown 10..100 of 100
10-     | weak    | 206 ; content-range: bytes 10-98/99 ; etag: W/"a"                      | changed
10-     | dated   | 206 ; content-range: bytes 10-99/100 ; last-modified: @1001            | changed
10-     | dated   | 206 ; content-range: bytes 10-99/100 ; last-modified: yesterday        | use unknown 10..100 of 100
10-     | dated   | 206 ; content-range: bytes 10-99/100 ; last-modified: @1000 ; last-modified: @2000 | use unknown 10..100 of 100
10-     | version | 206 ; content-range: bytes 10-99/100 ; x-amz-version-id: v2 ; etag: "a" | changed
10-     | version | 206 ; content-range: bytes 10-99/100 ; x-amz-version-id: null ; etag: "a" | use unknown 10..100 of 100
10-     | version | 206 ; content-range: bytes 10-99/100 ; etag: "a"                       | use unknown 10..100 of 100

# encodings: the same in every reply or refused
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; etag: "a" ; content-encoding: gzip | suspect Encoded
10-     | strong  | 200 ; transfer-encoding: chunked ; etag: "a" ; content-encoding: gzip  | suspect Encoded
10-     | strong  | 206 ; content-range: bytes 10-39/40 ; etag: "a" ; content-encoding: gzip | suspect Encoded
10-     | strong  | 206 ; content-range: bytes 10-39/40 ; etag: W/"a" ; content-encoding: gzip | suspect Encoded
10-     | strong  | 200 ; transfer-encoding: chunked ; etag: W/"a" ; content-encoding: br  | suspect Encoded
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; etag: "a" ; content-encoding: identity | use same 10..100 of 100
10-     | strong  | 200 ; content-length: 40 ; etag: "b" ; content-encoding: gzip          | use different 0..40 of 40 whole
10-     | gzip    | 206 ; content-range: bytes 10-99/100 ; etag: "a"                       | suspect Encoded
10-     | gzip    | 206 ; content-range: bytes 10-99/100 ; etag: "b"                       | changed
10-     | weak    | 206 ; content-range: bytes 10-99/100 ; etag: W/"a" ; content-encoding: gzip | suspect Encoded
10-     | weak    | 200 ; transfer-encoding: chunked ; etag: W/"a" ; content-encoding: gzip | use different 0..? of ? whole

# portals, empty replies
10-     | strong  | 200 ; content-length: 900 ; content-type: text/html; charset=utf-8     | suspect Html
10-     | strong  | 200 ; content-length: 100 ; content-type: text/html                    | suspect Html
10-     | strong  | 200 ; content-length: 100 ; content-type: TEXT/HTML ; etag: "portal"   | suspect Html
10-     | weak    | 200 ; content-length: 100 ; content-type: application/xhtml+xml        | suspect Html
10-     | strong  | 206 ; content-range: bytes 10-99/100 ; content-type: text/html         | suspect Html
10-     | strong  | 200 ; content-length: 100 ; content-type: text/html ; etag: "a"        | use same 0..100 of 100 whole
10-     | html    | 200 ; content-length: 100 ; content-type: text/html ; etag: "b"        | use different 0..100 of 100 whole
10-     | strong  | 200 ; content-length: 0                                                | suspect Empty
10-     | strong  | 200 ; content-length: 0 ; etag: "a"                                    | suspect Empty
10-     | strong  | 200 ; content-length: 0 ; etag: "b"                                    | empty
10-     | weak    | 200 ; content-length: 0 ; etag: W/"b"                                  | suspect Empty
0-      | empty   | 200 ; content-length: 0 ; etag: "a"                                    | empty
0-      | empty   | 416 ; content-range: bytes */0                                         | empty
10-     | strong  | 511 ; content-type: text/html                                          | suspect Html

# 416
10-     | strong  | 416 ; content-range: bytes */100                                       | suspect BadUnsatisfied
100-    | strong  | 416 ; content-range: bytes */100 ; content-type: text/html             | suspect BadUnsatisfied
10-     | strong  | 416 ; content-range: bytes */5                                         | changed
10-     | strong  | 416 ; content-range: bytes */0                                         | changed
10-     | strong  | 416                                                                    | ask whole
10-     | gzip    | 416 ; content-range: bytes */100 ; etag: "a"                           | suspect BadUnsatisfied
50-     | nolen   | 416 ; content-range: bytes */50                                        | ends at 50
whole   | -       | 416                                                                    | refused 416

# 412
10-?    | strong  | 412                                                                    | changed
10-     | strong  | 412                                                                    | suspect BadPrecondition
0-      | -       | 412                                                                    | suspect BadPrecondition

# other statuses
0-      | -       | 204                                                                    | suspect OddStatus(204)
10-     | strong  | 204 ; etag: "a"                                                        | suspect OddStatus(204)
0-      | -       | 202 ; content-length: 100                                              | busy 202
10-?    | strong  | 202 ; retry-after: 7                                                   | busy 202 after 7000
0-      | -       | 203 ; content-length: 100                                              | suspect OddStatus(203)
0-      | -       | 300                                                                    | suspect OddStatus(300)
0-      | -       | 304                                                                    | suspect OddStatus(304)
0-      | -       | 421                                                                    | suspect OddStatus(421)
0-      | -       | 404                                                                    | not found 404
0-      | strong  | 410                                                                    | not found 410
0-      | -       | 401                                                                    | denied 401
0-      | -       | 403                                                                    | denied 403
0-      | -       | 407                                                                    | denied 407
0-      | -       | 400                                                                    | refused 400
0-      | -       | 405                                                                    | refused 405
0-      | -       | 451                                                                    | refused 451
0-      | -       | 501                                                                    | refused 501
0-      | -       | 505                                                                    | refused 505
0-      | -       | 408                                                                    | busy 408
0-      | -       | 425                                                                    | busy 425
0-      | -       | 500                                                                    | busy 500
0-      | -       | 502 ; content-type: text/html                                          | busy 502
0-      | -       | 504                                                                    | busy 504
10-     | strong  | 503 ; retry-after: 7                                                   | busy 503 after 7000
10-     | strong  | 429 ; retry-after: 2.5                                                 | busy 429 after 2500
10-     | strong  | 429 ; retry-after: 0.0001                                              | busy 429 after 1
10-     | strong  | 429 ; retry-after: .25                                                 | busy 429 after 250
10-     | strong  | 429 ; retry-after: 3.                                                  | busy 429 after 3000
10-     | strong  | 429 ; retry-after: 99999999999999999999.5                              | busy 429 after 86400000
10-     | strong  | 429 ; retry-after: .                                                   | busy 429
10-     | strong  | 429 ; retry-after: 2.5s                                                | busy 429
10-     | strong  | 429 ; retry-after: 1.2.3                                               | busy 429
10-     | strong  | 429 ; retry-after: -2.5                                                | busy 429
10-     | strong  | 429 ; retry-after: Thu, 1 Jan 1970 00:17:10 UTC ; date: @1000          | busy 429 after 30000
10-     | strong  | 429 ; retry-after: @5030                                               | busy 429 after 30000
10-     | strong  | 429 ; retry-after: @1030 ; date: @1000                                 | busy 429 after 30000
10-     | strong  | 429 ; retry-after: @4000                                               | busy 429 after 0
10-     | strong  | 429 ; retry-after: 99999999999999999999999                             | busy 429 after 86400000
10-     | strong  | 429 ; retry-after: soon                                                | busy 429
"#;

/// The same where a window of an object of 100 bytes is wanted: `window | asked | recorded | head | verdict`, the
/// second and the last in offsets of the file.
const PARTS: &str = r#"
# a first reply
20-29        | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; content-length: 10 ; etag: "a" | use unknown 0..10 of 10, object 100
20-29        | 0-4 | -      | 206 ; content-range: bytes 20-23/100 ; etag: "a"                    | use unknown 0..4 of 10, object 100
20-          | 0-  | -      | 206 ; content-range: bytes 20-99/100 ; etag: "a"                    | use unknown 0..80 of 80, object 100
-10          | 0-  | -      | 206 ; content-range: bytes 90-99/100 ; etag: "a"                    | use unknown 0..10 of 10, object 100
-200         | 0-  | -      | 206 ; content-range: bytes 0-99/100 ; etag: "a"                     | use unknown 0..100 of 100, object 100
20-29,5-9    | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; etag: "a"                    | use unknown 0..10 of 15, object 100
95-199       | 0-  | -      | 206 ; content-range: bytes 95-99/100 ; etag: "a"                    | use unknown 0..5 of 5, object 100
# it starts early, late, reaches further than asked
20-29        | 0-  | -      | 206 ; content-range: bytes 16-29/100 ; etag: "a"                    | use unknown 0..10 of 10, object 100, without 4
20-29        | 0-  | -      | 206 ; content-range: bytes 0-99/100 ; etag: "a"                     | use unknown 0..10 of 10, object 100, without 20
20-29        | 0-  | -      | 206 ; content-range: bytes 21-29/100 ; etag: "a"                    | suspect StartsLate
20-29        | 0-  | -      | 206 ; content-range: bytes 0-19/100 ; etag: "a"                     | suspect BadContentRange
-10          | 0-  | -      | 206 ; content-range: bytes 0-9/100 ; etag: "a"                      | suspect BadContentRange
-10          | 0-  | -      | 206 ; content-range: bytes 91-99/100 ; etag: "a"                    | suspect StartsLate
# later ones
20-29        | 4-  | part   | 206 ; content-range: bytes 24-29/100 ; etag: "a"                    | use same 4..10 of 10, object 100
20-29        | 4-  | part   | 206 ; content-range: bytes 24-29/* ; etag: "a"                      | use same 4..10 of 10, object 100
20-29,50-59  | 10- | part   | 206 ; content-range: bytes 50-59/100 ; etag: "a"                    | use same 10..20 of 20, object 100
20-29,50-59  | 12- | part   | 206 ; content-range: bytes 48-99/100 ; etag: "a"                    | use same 12..20 of 20, object 100, without 4
20-29,50-59  | 10- | part   | 206 ; content-range: bytes 30-39/100 ; etag: "a"                    | suspect BadContentRange
20-29        | 4-  | part   | 206 ; content-range: bytes 24-29/101 ; etag: "a"                    | changed
20-29        | 4-  | part   | 206 ; content-range: bytes 24-29/100 ; etag: "b"                    | changed
20-29        | 4-  | part   | 206 ; content-range: bytes 24-29/100                                | use unknown 4..10 of 10, object 100
20-29        | 4-? | part   | 412                                                                 | changed
# the length is not told
20-29        | 0-  | -      | 206 ; content-range: bytes 20-29/* ; etag: "a"                      | use unknown 0..10 of 10, object ?
20-29        | 0-4 | -      | 206 ; content-range: bytes 20-23/* ; etag: "a"                      | suspect LengthUntold
20-29,50-59  | 0-  | -      | 206 ; content-range: bytes 20-29/* ; etag: "a"                      | suspect LengthUntold
50-59,20-29  | 0-  | -      | 206 ; content-range: bytes 50-59/* ; etag: "a"                      | use unknown 0..10 of 20, object ?
20-          | 0-  | -      | 206 ; content-range: bytes 20-99/* ; etag: "a"                      | suspect LengthUntold
-10          | 0-  | -      | 206 ; content-range: bytes 90-99/* ; etag: "a"                      | suspect LengthUntold
20-29        | 4-  | untold | 206 ; content-range: bytes 24-29/* ; etag: "a"                      | use same 4..10 of 10, object ?
20-29        | 4-  | untold | 206 ; content-range: bytes 24-29/100 ; etag: "a"                    | use same 4..10 of 10, object 100
20-          | 0-  | -      | 206 ; content-range: bytes 20-99/18446744073709551615 ; etag: "a"   | suspect BadContentRange
# outside
20-29        | 0-  | -      | 416 ; content-range: bytes */20                                     | outside of 20
20-29        | 0-  | -      | 416 ; content-range: bytes */0                                      | outside of 0
20-29        | 0-  | -      | 416                                                                 | outside of ?
20-29        | 0-  | -      | 416 ; content-range: bytes */21                                     | suspect BadUnsatisfied
-10          | 0-  | -      | 416 ; content-range: bytes */0                                      | empty
-10          | 0-  | -      | 200 ; content-length: 0 ; etag: "a"                                 | empty
0-9          | 0-  | -      | 200 ; content-length: 0 ; etag: "a"                                 | outside of 0
20-29,100-   | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; etag: "a"                    | outside of 100
20-29        | 4-  | part   | 416 ; content-range: bytes */22                                     | changed
20-29        | 4-  | part   | 416 ; content-range: bytes */100 ; etag: "a"                        | suspect BadUnsatisfied
20-29        | 4-  | part   | 416                                                                 | changed
# no range served
20-29        | 0-  | -      | 200 ; content-length: 100 ; etag: "a"                               | suspect RangeIgnored
0-           | 0-  | -      | 200 ; content-length: 100 ; etag: "a"                               | suspect RangeIgnored
20-29        | 4-? | part   | 200 ; content-length: 100 ; etag: "b"                               | changed
20-29        | 4-? | part   | 200 ; content-length: 100 ; etag: "a"                               | suspect RangeIgnored
20-29        | 4-  | part   | 200 ; content-length: 50 ; content-type: text/html                  | suspect Html
20-29        | 4-  | part   | 200 ; content-length: 0                                             | suspect Empty
# what does not depend on offsets, and encodings
20-29        | 0-  | -      | 404                                                                 | not found 404
20-29        | 0-  | -      | 503                                                                 | busy 503
20-29        | 0-  | -      | 206 ; etag: "a"                                                     | suspect BadContentRange
20-29        | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; content-length: 1e2          | suspect BadFraming
20-29        | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; content-length: 9            | suspect LengthContradiction
20-29        | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; content-length: 10 ; content-encoding: gzip ; etag: "a" | use unknown 0..10 of 10, object 100
20-29        | 0-  | -      | 206 ; content-range: bytes 20-29/100 ; transfer-encoding: chunked ; content-encoding: gzip ; etag: "a" | suspect Encoded
20-29        | 4-  | part   | 206 ; content-range: bytes 24-29/100 ; content-length: 6 ; content-encoding: gzip ; etag: "a" | suspect Encoded
"#;

fn recorded(name: &str) -> Option<Identity> {
    let hundred = Identity { length: Some(100), ..Identity::default() };
    let tagged = |tag: &str| Identity { etag: Some(tag.into()), ..hundred.clone() };
    Some(match name {
        "-" => return None,
        "strong" => tagged("\"a\""),
        "weak" => tagged("W/\"a\""),
        "dated" => Identity { modified: Some(1000), modified_is_old: true, ..hundred },
        "version" => Identity { version: Some("v1".into()), ..tagged("\"a\"") },
        "gzip" => Identity { encoding: Some("gzip".into()), ..tagged("\"a\"") },
        "html" => Identity { html: true, ..tagged("\"a\"") },
        "nolen" => Identity { length: None, ..tagged("\"a\"") },
        "empty" => Identity { length: Some(0), ..tagged("\"a\"") },
        name => panic!("no such identity: {name}"),
    })
}

fn asked(text: &str) -> RangeRequest {
    let (range, conditional) = text.strip_suffix('?').map_or((text, false), |range| (range, true));
    let Some((start, end)) = range.split_once('-') else {
        return RangeRequest { start: 0, end: None, ranged: false, conditional };
    };
    RangeRequest { start: start.parse().unwrap(), end: end.parse().ok(), ranged: true, conditional }
}

fn date(value: &str) -> String {
    match value.strip_prefix('@') {
        Some(seconds) => httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.parse().unwrap())),
        None => value.to_owned(),
    }
}

fn facts(head: &str) -> ReplyFacts {
    facts_with(head, false, None)
}

fn facts_with(head: &str, framed: bool, body: Option<&[u8]>) -> ReplyFacts {
    let mut fields = head.split(" ; ").map(str::trim);
    let status = fields.next().unwrap().parse().unwrap();
    let fields: Vec<(&str, String)> = fields
        .map(|f| f.split_once(": ").map(|(n, v)| (n, date(v))).unwrap_or((f.trim_end_matches(':'), String::new())))
        .collect();
    ReplyFacts::parse(status, fields.iter().map(|(n, v)| (*n, v.as_bytes())), framed, NOW, body)
}

fn show(verdict: &ReplyVerdict) -> String {
    let or_open = |n: Option<u64>| n.map_or("?".into(), |n| n.to_string());
    match verdict {
        ReplyVerdict::Use { identity, likeness, body_start, body_end, skip, whole } => {
            assert_eq!(*skip, 0);
            let likeness = format!("{likeness:?}").to_lowercase();
            let whole = if *whole { " whole" } else { "" };
            format!("use {likeness} {body_start}..{} of {}{whole}", or_open(*body_end), or_open(identity.length))
        }
        ReplyVerdict::Empty { identity } => {
            assert_eq!((identity.length, identity.html), (Some(0), false));
            "empty".into()
        }
        ReplyVerdict::Outside(length) => format!("outside of {}", or_open(*length)),
        ReplyVerdict::EndsAt(end) => format!("ends at {end}"),
        ReplyVerdict::Changed => "changed".into(),
        ReplyVerdict::Suspect(why) => format!("suspect {why:?}"),
        ReplyVerdict::AskWhole => "ask whole".into(),
        ReplyVerdict::Busy { status, retry_after_ms: None } => format!("busy {status}"),
        ReplyVerdict::Busy { status, retry_after_ms: Some(ms) } => format!("busy {status} after {ms}"),
        ReplyVerdict::NotFound(status) => format!("not found {status}"),
        ReplyVerdict::Denied(status) => format!("denied {status}"),
        ReplyVerdict::Refused(status) => format!("refused {status}"),
    }
}

#[test]
fn every_reply_is_judged_before_a_byte_is_written() {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = TABLE.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    for line in &lines {
        let [asked_for, known, head, want] =
            line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let got = show(&judge(asked(asked_for), recorded(known).as_ref(), &facts(head)));
        if got != want {
            wrong.push(format!("{line}\n    got: {got}"));
        }
    }
    assert!(lines.len() >= 80);
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

#[test]
fn every_reply_about_a_part_is_judged_in_offsets_of_the_file() {
    let mut wrong = Vec::new();
    let lines: Vec<&str> = PARTS.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    for line in &lines {
        let [window, asked_for, known, head, want] =
            line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{line}"));
        let window = Window::parse(window).unwrap();
        let of = (known == "part").then_some(100);
        let file = || window.resolve(of).unwrap().len();
        let known = (known != "-").then(|| Identity { length: Some(file()), of, ..recorded("strong").unwrap() });
        let verdict = judge_part(|length| window.resolve(length), asked(asked_for), known.as_ref(), &facts(head));
        let got = match &verdict {
            ReplyVerdict::Use { identity, likeness, body_start, body_end: Some(end), skip, whole: false } => {
                let or_open = |n: Option<u64>| n.map_or("?".into(), |n| n.to_string());
                let without = if *skip > 0 { format!(", without {skip}") } else { String::new() };
                let likeness = format!("{likeness:?}").to_lowercase();
                let (length, of) = (or_open(identity.length), or_open(identity.of));
                format!("use {likeness} {body_start}..{end} of {length}, object {of}{without}")
            }
            verdict => show(verdict),
        };
        if got != want {
            wrong.push(format!("{line}\n    got: {got}"));
        }
    }
    assert!(lines.len() >= 50);
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

/// A digest is of the object; of a part that is all of it, too.
#[test]
fn a_digest_says_nothing_about_a_part() {
    let digests = |window: &str, range: &str| {
        let window = Window::parse(window).unwrap();
        let head = format!("206 ; content-range: bytes {range}/100 ; etag: \"a\" ; x-oss-hash-crc64ecma: 5");
        match judge_part(|length| window.resolve(length), asked("0-"), None, &facts(&head)) {
            ReplyVerdict::Use { identity, .. } => identity.digests.len(),
            verdict => panic!("{verdict:?}"),
        }
    };
    assert_eq!((digests("0-", "0-99"), digests("-100", "0-99"), digests("0-99", "0-99")), (1, 1, 1));
    assert_eq!((digests("0-98", "0-98"), digests("1-", "1-99"), digests("0-49,50-", "0-49")), (0, 0, 0));
}

#[test]
fn expired_links_and_tokens_are_told_by_the_error_body() {
    let table: &[(u16, &str, bool)] = &[
        (403, "<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>", true),
        (400, "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>", true),
        (403, "<Error><Code>SecurityTokenExpired</Code></Error>", true),
        (400, "<Error><Code>TokenExpired</Code>", true),
        (403, "<Error><Code>RequestExpired", true),
        (403, "<Error><Code>AccessDenied</Code><Message>AccessDenied</Message></Error>", false),
        (403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", false),
        (403, "Your membership has expired", false),
        (404, "<Error><Code>ExpiredToken</Code></Error>", false),
        (403, "", false),
        (403, "<Code>", false),
    ];
    for &(status, body, want) in table {
        let got = facts_with(&status.to_string(), false, Some(body.as_bytes()));
        assert_eq!(got.expired, want, "{status} {body}");
    }
    let expired = facts_with("400", false, Some(b"<Code>ExpiredToken</Code>"));
    assert_eq!(judge(asked("0-"), None, &expired), ReplyVerdict::Denied(400));
}

#[test]
fn a_date_is_old_against_the_date_of_the_reply() {
    let table = [
        ("200 ; last-modified: @1000 ; date: @1060", Some(1000), true),
        ("200 ; last-modified: @1000 ; date: @1059", Some(1000), false),
        ("200 ; last-modified: @2000 ; date: @1000", Some(2000), false),
        ("200 ; last-modified: @4940", Some(4940), true),
        ("200 ; last-modified: @4941", Some(4941), false),
        ("200 ; last-modified: @4940 ; date: never", Some(4940), true),
        ("200 ; last-modified: 1000", None, false),
        ("200 ; last-modified: Thu, 01 Jan 1970 00:00:07 GMT", Some(7), true),
        ("200 ; last-modified: Thursday, 01-Jan-70 00:00:07 GMT", Some(7), true),
        ("200 ; last-modified: Thu Jan  1 00:00:07 1970", Some(7), true),
    ];
    for (head, modified, old) in table {
        let identity = facts(head).identity;
        assert_eq!((identity.modified, identity.modified_is_old), (modified, old), "{head}");
    }
}

#[test]
fn validators_are_kept_raw_and_bounded() {
    let long = format!("\"{}\"", "x".repeat(2000));
    let table: &[(&str, &[u8], Option<&str>)] = &[
        ("etag", b"\"a\"", Some("\"a\"")),
        ("etag", b"W/\"a\"", Some("W/\"a\"")),
        ("etag", b"a", Some("a")),
        ("etag", b"\"caf\xe9\"", Some("\"caf\u{e9}\"")),
        ("etag", b"\"caf\xc3\xa9\"", Some("\"caf\u{c3}\u{a9}\"")),
        ("etag", b"", None),
        ("etag", long.as_bytes(), None),
    ];
    for &(name, value, want) in table {
        let facts = ReplyFacts::parse(200, [(name, value)].into_iter(), false, NOW, None);
        assert_eq!(facts.identity.etag.as_deref(), want, "{value:?}");
    }
    for (head, want) in [
        ("200 ; x-oss-version-id: CAEQ", Some("CAEQ")),
        ("200 ; x-amz-version-id: null", None),
        ("200 ; x-amz-version-id: a ; x-oss-version-id: b", None),
        ("200 ; x-amz-version-id: a b", None),
    ] {
        assert_eq!(facts(head).identity.version.as_deref(), want, "{head}");
    }
}

#[test]
fn the_end_of_a_body_is_told_by_the_head() {
    for (head, framed, want) in [
        ("200 ; content-length: 5", false, Framing::Length(5)),
        ("200 ; transfer-encoding: Chunked", false, Framing::Marked),
        ("200", false, Framing::Close),
        ("200", true, Framing::Marked),
        ("200 ; content-length: 5", true, Framing::Length(5)),
    ] {
        let facts = facts_with(head, framed, None);
        assert_eq!((facts.framing, facts.misframed), (want, false), "{head}");
    }
    assert_eq!(facts("416 ; content-range: bytes */7").content_range, ContentRange::Unsatisfied { total: 7 });
}

/// Digests of "hello".
const MD5: &str = "XUFAKrxLKna5cZ2REBfFkg==";
const SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
const CRC32C: &str = "mnG7TA==";

#[test]
fn only_digests_of_the_whole_object_are_taken() {
    use DigestKind::{Crc32c, Crc64, Md5, Sha256};
    let full = "206 ; content-range: bytes 0-4/5";
    let part = "206 ; content-range: bytes 0-3/5";
    let table: &[(String, &[DigestKind])] = &[
        (format!("200 ; content-md5: {MD5}"), &[Md5]),
        (format!("{full} ; content-md5: {MD5}"), &[Md5]),
        (format!("{part} ; content-md5: {MD5}"), &[]),
        (format!("206 ; content-range: bytes 1-4/5 ; content-md5: {MD5}"), &[]),
        (format!("206 ; content-range: bytes 0-4/* ; content-md5: {MD5}"), &[]),
        (format!("403 ; content-md5: {MD5}"), &[]),
        (format!("{part} ; repr-digest: sha-256=:{SHA256}:"), &[Sha256]),
        (format!("{part} ; content-digest: sha-256=:{SHA256}:"), &[]),
        (format!("200 ; content-digest: sha-256=:{SHA256}:"), &[Sha256]),
        (format!("200 ; repr-digest: md5=:{MD5}:, sha-256=:{SHA256}:;p=1"), &[Sha256]),
        (format!("200 ; repr-digest: sha-256={SHA256}"), &[]),
        (format!("200 ; repr-digest: sha-256=:{SHA256}"), &[]),
        (format!("200 ; repr-digest: sha-256=:{MD5}:"), &[]),
        (format!("200 ; repr-digest: sha-256=:{SHA256}:x"), &[]),
        ("200 ; repr-digest: ,,=:, sha-256=::".into(), &[]),
        (format!("{part} ; x-oss-hash-crc64ecma: 13456"), &[Crc64]),
        ("200 ; x-oss-hash-crc64ecma: -1".into(), &[]),
        ("200 ; x-oss-hash-crc64ecma: 18446744073709551616".into(), &[]),
        (format!("200 ; x-amz-checksum-sha256: {SHA256}"), &[Sha256]),
        (format!("200 ; x-amz-checksum-sha256: {SHA256} ; x-amz-checksum-type: FULL_OBJECT"), &[Sha256]),
        (format!("200 ; x-amz-checksum-sha256: {SHA256} ; x-amz-checksum-type: COMPOSITE"), &[]),
        (format!("200 ; x-amz-checksum-sha256: {SHA256}-3"), &[]),
        (format!("{part} ; x-amz-checksum-sha256: {SHA256}"), &[]),
        ("200 ; x-amz-checksum-crc64nvme: AAAAAAAAAAA=".into(), &[DigestKind::Crc64Nvme]),
        (format!("200 ; x-goog-hash: crc32c={CRC32C},md5={MD5}"), &[Md5, Crc32c]),
        (format!("200 ; x-goog-hash: crc32c={CRC32C} ; x-goog-hash: md5={MD5}"), &[Md5, Crc32c]),
        (format!("200 ; x-goog-hash: md5={MD5} ; x-goog-stored-content-encoding: gzip"), &[]),
        (
            format!(
                "200 ; content-length: 5 ; content-encoding: gzip ; x-goog-hash: md5={MD5} ; x-goog-stored-content-encoding: gzip"
            ),
            &[Md5],
        ),
        ("200 ; transfer-encoding: chunked ; content-encoding: gzip ; x-oss-hash-crc64ecma: 1".into(), &[]),
        ("200 ; content-length: 5 ; content-encoding: gzip ; x-oss-hash-crc64ecma: 1".into(), &[Crc64]),
        (format!("200 ; content-md5: {}", MD5.trim_end_matches('=')), &[]),
        ("200 ; content-md5: XUFAKrxLKna5cZ2REBfFkh==".into(), &[]),
    ];
    for (head, want) in table {
        let kinds: Vec<DigestKind> = facts(head).identity.digests.iter().map(Digest::kind).collect();
        assert_eq!(&kinds, want, "{head}");
    }
    let crc = facts("200 ; x-oss-hash-crc64ecma: 258").identity.digests;
    assert_eq!(crc, [Digest::new(Crc64, vec![0, 0, 0, 0, 0, 0, 1, 2]).unwrap()]);
}

#[test]
fn file_names_come_from_content_disposition() {
    let table: &[(&[u8], Option<&[u8]>)] = &[
        (b"attachment; filename=a.txt", Some(b"a.txt")),
        (b"attachment; filename=\"a b.txt\"", Some(b"a b.txt")),
        (b"inline; FileName=\"a.txt\"", Some(b"a.txt")),
        (b"filename=a.txt", Some(b"a.txt")),
        (b"attachment ; filename = a.txt ; x=y", Some(b"a.txt")),
        (b"attachment; filename=\"a\\\"b.txt\"", Some(b"a\"b.txt")),
        (b"attachment; filename=\"a;b=c.txt\"; x=y", Some(b"a;b=c.txt")),
        (b"attachment; filename=\"a.txt", Some(b"a.txt")),
        (b"attachment; filename=\"a\\", Some(b"a")),
        (b"attachment; filename=\"x.txt\"; filename*=UTF-8''y%20z.txt", Some(b"y z.txt")),
        (b"attachment; filename*=utf-8'en'%e2%82%ac.txt; filename=x", Some("\u{20ac}.txt".as_bytes())),
        (b"attachment; filename*=ISO-8859-1''%e9.txt", Some("\u{e9}.txt".as_bytes())),
        (b"attachment; filename*=UTF-8''%ff; filename=x", Some(b"x")),
        (b"attachment; filename*=GBK''%ff; filename=x", Some(b"x")),
        (b"attachment; filename*=broken; filename=x", Some(b"x")),
        (b"attachment; filename=../../etc/passwd", Some(b"../../etc/passwd")),
        (b"attachment; filename=caf\xe9.txt", Some(b"caf\xe9.txt")),
        (b"attachment; filename=\"\"", None),
        (b"attachment; filename=", None),
        (b"attachment; filename", None),
        (b"attachment", None),
        (b"", None),
        (b";;;=;\"=\"", None),
        (b"attachment; filename=a; filename=b", Some(b"a")),
        // What browsers read as well.
        (b"attachment; filename=\"x.tar.gz\"; filename*=UTF-8''", Some(b"x.tar.gz")),
        (b"attachment; filename*=UTF-8''; filename=\"x.tar.gz\"", Some(b"x.tar.gz")),
        (b"attachment; filename=\"\"; filename=b", Some(b"b")),
        (b"attachment; filename*=utf-8''\"%E6%96%87.bin\"", Some("\u{6587}.bin".as_bytes())),
        (b"attachment; filename*=\"utf8''%E6%96%87.bin\"", Some("\u{6587}.bin".as_bytes())),
        (b"attachment; filename*=x.bin", Some(b"x.bin")),
        (b"attachment; filename*=\"x.bin\"; filename=y", Some(b"y")),
        (b"attachment; filename='a b.bin'", Some(b"a b.bin")),
        (b"attachment; filename='a.bin", Some(b"'a.bin")),
        (b"attachment; filename=\"it's\"", Some(b"it's")),
        (b"attachment; filename=a b.txt; x=y", Some(b"a b.txt")),
        (b"attachment; filename=\"\"a.txt\"\"", Some(b"a.txt")),
        (b"attachment filename=a.txt", Some(b"a.txt")),
        (b"attachment filename=\"a.txt\"; x=y", Some(b"a.txt")),
        (b"attachment; filename=\"C:\\Users\\me\\a.bin\"", Some(b"C:\\Users\\me\\a.bin")),
        (b"attachment; filename=\"C:\\\\Users\\\\a.bin\"", Some(b"C:\\Users\\a.bin")),
        (b"attachment; filename=\"\xe6\x96\x87.txt\"", Some("\u{6587}.txt".as_bytes())),
        // Encoded words of mail.
        (b"attachment; filename=\"=?UTF-8?B?5paH5Lu2LmJpbg==?=\"", Some("\u{6587}\u{4ef6}.bin".as_bytes())),
        (b"attachment; filename==?utf-8?b?5paH5Lu2LmJpbg?=", Some("\u{6587}\u{4ef6}.bin".as_bytes())),
        (b"attachment; filename=\"=?iso-8859-1*fr?Q?caf=E9_1.bin?=\"", Some("caf\u{e9} 1.bin".as_bytes())),
        (b"attachment; filename=\"=?utf-8?q?a?= =?utf-8?q?b?= c\"", Some(b"ab c")),
        (b"attachment; filename=\"=?GBK?B?zsS8/g==?=.bin\"", Some(b"=?GBK?B?zsS8/g==?=.bin")),
        (b"attachment; filename=\"=?utf-8?q?a=\"", Some(b"=?utf-8?q?a=")),
        (b"attachment; filename=\"=?utf-8?q?=F?=\"", Some(b"=?utf-8?q?=F?=")),
        (b"attachment; filename=\"=?utf-8?q?=FF?=\"", Some(b"=?utf-8?q?=FF?=")),
        (b"attachment; filename=\"a=?b\"", Some(b"a=?b")),
    ];
    for &(raw, want) in table {
        let facts = ReplyFacts::parse(200, [("content-disposition", raw)].into_iter(), false, NOW, None);
        assert_eq!(facts.suggested_name.as_deref(), want, "{}", raw.escape_ascii());
    }
}

/// Goal: no head panics. Method: fields out of pieces that the parsers look for, put together by a seeded generator.
#[test]
fn hostile_heads_never_panic() {
    const NAMES: [&str; 15] = [
        "content-range",
        "content-length",
        "transfer-encoding",
        "etag",
        "last-modified",
        "date",
        "retry-after",
        "content-encoding",
        "content-type",
        "content-disposition",
        "repr-digest",
        "content-md5",
        "x-oss-hash-crc64ecma",
        "x-amz-checksum-crc32c",
        "x-goog-hash",
    ];
    const PIECES: [&[u8]; 24] = [
        b"bytes ",
        b"-",
        b"/",
        b"*",
        b"0",
        b"18446744073709551615",
        b"9",
        b",",
        b";",
        b"=",
        b":",
        b"\"",
        b"\\",
        b"'",
        b"%",
        b"filename*=UTF-8''",
        b"filename=",
        b"sha-256=:",
        b"chunked",
        b"\xff",
        b" ",
        b"crc32c=",
        b"=?utf-8?q?",
        b"?=",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    for _ in 0..50_000 {
        let fields: Vec<(&str, Vec<u8>)> = (0..below(5))
            .map(|_| {
                (NAMES[below(NAMES.len())], (0..below(9)).flat_map(|_| PIECES[below(PIECES.len())]).copied().collect())
            })
            .collect();
        let status = [200, 206, 416, 412, 403][below(5)];
        let facts =
            ReplyFacts::parse(status, fields.iter().map(|(n, v)| (*n, v.as_slice())), false, NOW, Some(b"<Code>"));
        for known in ["-", "strong", "weak", "gzip"] {
            let (asked, recorded) = (asked(["0-", "10-20", "whole", "10-?"][below(4)]), recorded(known));
            let _ = judge(asked, recorded.as_ref(), &facts);
            let window = Window::parse(["9-", "-9", "0-9,9-99", "0-,-1"][below(4)]).unwrap();
            let _ = judge_part(|length| window.resolve(length), asked, recorded.as_ref(), &facts);
        }
    }
}

/// For messages: whose word a digest is.
#[test]
fn a_digest_is_known_with_the_field_that_it_came_in() {
    let facts = facts(&format!(
        "200 ; content-length: 5 ; content-md5: {} ; x-oss-hash-crc64ecma: 7 ; x-amz-checksum-crc32c: AAAAAA==",
        "XUFAKrxLKna5cZ2REBfFkg=="
    ));
    let fields: Vec<(DigestKind, &str)> = facts.declared_in.iter().map(|(d, f)| (d.kind(), f.as_str())).collect();
    for want in [
        (DigestKind::Md5, "content-md5"),
        (DigestKind::Crc64, "x-oss-hash-crc64ecma"),
        (DigestKind::Crc32c, "x-amz-checksum-crc32c"),
    ] {
        assert!(fields.contains(&want), "{want:?} of {fields:?}");
    }
    assert_eq!(fields.len(), facts.identity.digests.len());
}
