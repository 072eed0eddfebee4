// A Metalink (RFC 5854, and version 3 before it) as entries: each file with its links, best first, and its digests.

/** @typedef {{sources: string[], name?: string, options?: {checksums: string[]}}} Wanted */

const KINDS = new Map([["sha-256", "sha256"], ["sha256", "sha256"], ["sha-512", "sha512"], ["sha512", "sha512"], ["sha-1", "sha1"], ["sha1", "sha1"], ["md5", "md5"]]);

/** @param {string} text */
export const isMetalink = (text) => /^\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)*<metalink[\s>]/.test(text);

/**
 * The files of a Metalink that have a link of the web.
 * @param {string} text
 * @returns {Wanted[]}
 */
export function readMetalink(text) {
  const papers = new DOMParser().parseFromString(text, "application/xml");
  /** @type {Wanted[]} */
  const found = [];
  for (const file of papers.getElementsByTagName("file")) {
    const urls = [...file.getElementsByTagName("url")].map((url) => ({ link: (url.textContent ?? "").trim(), rank: rank(url) }));
    const sources = urls.filter(({ link }) => /^https?:\/\//i.test(link)).sort((a, b) => a.rank - b.rank).map(({ link }) => link);
    if (sources.length === 0) continue;
    /** @type {Wanted} */
    const wanted = { sources };
    const name = file.getAttribute("name");
    if (name) wanted.name = name;
    const checksums = [...file.getElementsByTagName("hash")].filter((hash) => hash.parentElement?.localName !== "pieces").flatMap((hash) => {
      const kind = KINDS.get((hash.getAttribute("type") ?? "").toLowerCase());
      return kind ? [`${kind}:${(hash.textContent ?? "").trim().toLowerCase()}`] : [];
    });
    if (checksums.length > 0) wanted.options = { checksums };
    found.push(wanted);
  }
  return found;
}

/** `priority`: 1 is best. `preference`, before: 100 is best. @param {Element} url */
function rank(url) {
  const priority = Number(url.getAttribute("priority") ?? NaN);
  const preference = Number(url.getAttribute("preference") ?? NaN);
  if (priority > 0) return priority;
  return preference >= 0 ? 1000 - preference : 999_999;
}
