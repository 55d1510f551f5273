// Request path normalization: what the HCM's normalize_path, merge_slashes and
// path_with_escaped_slashes_action do. RFC 3986 section 6 as Envoy's canonicalizer does it. Pure.

const HEX = '0123456789ABCDEF';

/** By code: 0 = stays, 1 = is written %XX, 2 = stays and is decoded when written %XX, 3 = special. */
const PASS = 0;
const ESCAPE = 1;
const UNESCAPE = 2;
const SPECIAL = 3;

const kinds = new Uint8Array(256).fill(ESCAPE);
for (const char of "!$&'()*+,:;=@[]") kinds[char.charCodeAt(0)] = PASS;
for (const char of '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_~') {
  kinds[char.charCodeAt(0)] = UNESCAPE;
}
for (const char of '%./\\') kinds[char.charCodeAt(0)] = SPECIAL;

/** Splits `/a?b` into path and `?b`. */
export function queryStart(path: string): number {
  const at = path.indexOf('?');
  return at === -1 ? path.length : at;
}

/**
 * Resolves dot segments, decodes %XX of unreserved characters, encodes what must be, turns '\' into '/'.
 * The query is left alone. Null = the path cannot be normalized (%00): refuse it. A path that is normal
 * already comes back as the same string.
 */
export function canonicalPath(path: string): string | null {
  const end = queryStart(path);
  if (isPlain(path, end)) return path;
  // Segments written so far; the last one is still open.
  const segments: string[] = [];
  let segment = '';
  for (let i = 1; i <= end; i++) {
    const code = i === end ? -1 : path.charCodeAt(i);
    if (code === 0x2f || code === 0x5c || code === -1) {
      const isLast = code === -1;
      const dots = dotsOf(segment);
      if (dots === 0) segments.push(segment);
      else {
        if (dots === 2) segments.pop();
        if (isLast) segments.push('');
      }
      segment = '';
      continue;
    }
    if (code === 0x25) {
      const decoded = hexAt(path, i + 1, end);
      if (decoded === 0) return null;
      if (decoded === -1) segment += '%';
      else {
        const isUnreserved = kinds[decoded] === UNESCAPE || decoded === 0x2e;
        segment += isUnreserved ? String.fromCharCode(decoded) : path.slice(i, i + 3);
        i += 2;
      }
      continue;
    }
    if (kinds[code] === ESCAPE) segment += `%${HEX[code >> 4]!}${HEX[code & 15]!}`;
    else segment += path[i]!;
  }
  return `/${segments.join('/')}${path.slice(end)}`;
}

/** No segment to resolve, nothing to decode or encode: the usual case, found in one walk. */
function isPlain(path: string, end: number): boolean {
  for (let i = 1; i < end; i++) {
    const code = path.charCodeAt(i);
    const kind = kinds[code]!;
    if (kind === PASS || kind === UNESCAPE || code === 0x2f) continue;
    if (code !== 0x2e || path.charCodeAt(i - 1) === 0x2f) return false;
  }
  return true;
}

/** 1 for '.', 2 for '..', else 0. */
function dotsOf(segment: string): number {
  return segment === '.' ? 1 : segment === '..' ? 2 : 0;
}

function hexAt(text: string, at: number, end: number): number {
  if (at + 1 >= end) return -1;
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** `/a//b` -> `/a/b`; the query is left alone. */
export function mergeSlashes(path: string): string {
  const end = queryStart(path);
  const at = path.indexOf('//');
  if (at === -1 || at >= end) return path;
  return path.slice(0, end).replace(/\/\/+/g, '/') + path.slice(end);
}

/** %2F and %5C (any case) of the path become '/' and '\'; the same string when there are none. */
export function unescapeSlashes(path: string): string {
  const percent = path.indexOf('%');
  if (percent === -1) return path;
  const end = queryStart(path);
  if (percent >= end) return path;
  const unescaped = path.slice(0, end).replace(/%2f/gi, '/').replace(/%5c/gi, '\\');
  return unescaped.length === end ? path : unescaped + path.slice(end);
}
