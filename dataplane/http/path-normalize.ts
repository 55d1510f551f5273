// Path normalisation as Envoy does it (its Chromium URL code): each function is one HCM option and works
// on `path?query`, never touching the query. Called by hcm/path-checks before routing and RBAC, which
// must see the same path as the upstream will.

const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const PERCENT = 0x25;
const DOT = 0x2e;

/** 1 = as it is; 2 = to be percent-encoded; 3 = needs a closer look. Other bytes never pass the codec. */
const PATH_CHAR = new Uint8Array(128).fill(1, 33, 127);
for (const char of '"<>^`{|} ') PATH_CHAR[char.charCodeAt(0)] = 2;
PATH_CHAR[BACKSLASH] = 3;
PATH_CHAR[PERCENT] = 3;

/**
 * HCM.normalize_path: `%41` -> `A` (unreserved only; other escapes stay as written), `\` -> `/`, dot
 * segments resolved, `"<>^{|}` and backtick percent-encoded. Null: the path holds %00 or a byte that
 * no path may have; answer 400.
 */
export function canonicalPath(path: string): string | null {
  const end = pathEnd(path);
  if (isCanonical(path, end)) return path;
  const decoded = decodePath(path, end);
  if (decoded === null) return null;
  const resolved = resolveDotSegments(decoded);
  return end === path.length ? resolved : resolved + path.substring(end);
}

/** HCM.merge_slashes: `//a///b` -> `/a/b`. */
export function mergeSlashes(path: string): string {
  const end = pathEnd(path);
  const first = path.indexOf('//');
  if (first === -1 || first >= end) return path;
  let merged = '';
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code === SLASH && i > 0 && path.charCodeAt(i - 1) === SLASH) continue;
    merged += path[i]!;
  }
  return end === path.length ? merged : merged + path.substring(end);
}

/** HCM.path_with_escaped_slashes_action: `%2F` -> `/`, `%5C` -> `\` (which canonicalPath makes `/`). */
export function unescapeSlashes(path: string): string {
  const end = pathEnd(path);
  const first = path.indexOf('%');
  if (first === -1 || first >= end) return path;
  const plain = path
    .substring(0, end)
    .replace(/%(2f|5c)/gi, (slash) => (slash.charCodeAt(1) === 0x32 ? '/' : '\\'));
  return plain + path.substring(end);
}

function pathEnd(path: string): number {
  const question = path.indexOf('?');
  return question === -1 ? path.length : question;
}

/** Most paths are: nothing to rewrite, no `/.` that could begin a dot segment. */
function isCanonical(path: string, end: number): boolean {
  let previous = 0;
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code > 127 || PATH_CHAR[code] !== 1) return false;
    if (code === DOT && previous === SLASH) return false;
    previous = code;
  }
  return true;
}

function decodePath(path: string, end: number): string | null {
  let decoded = '';
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code > 127) return null;
    switch (PATH_CHAR[code]) {
      case 1:
        decoded += path[i]!;
        break;
      case 2:
        decoded += `%${code.toString(16).toUpperCase()}`;
        break;
      case 3: {
        if (code === BACKSLASH) {
          decoded += '/';
          break;
        }
        const value = escapedByte(path, i, end);
        // A NUL ends strings in the C programs behind us: they would route on less than we did.
        if (value === 0) return null;
        if (value === -1) decoded += '%';
        else if (isUnreserved(value)) {
          decoded += String.fromCharCode(value);
          i += 2;
        } else {
          decoded += path.substring(i, i + 3);
          i += 2;
        }
        break;
      }
      default:
        return null;
    }
  }
  return decoded;
}

/** Value of the %XX at `at`, or -1 when it is not one. */
function escapedByte(path: string, at: number, end: number): number {
  if (at + 3 > end) return -1;
  const high = hexValue(path.charCodeAt(at + 1));
  const low = hexValue(path.charCodeAt(at + 2));
  return high === -1 || low === -1 ? -1 : high * 16 + low;
}

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** RFC 3986 2.3. */
function isUnreserved(code: number): boolean {
  const lower = code | 32;
  return (
    (lower >= 97 && lower <= 122 && code >= 65) ||
    (code >= 48 && code <= 57) ||
    code === 0x2d ||
    code === DOT ||
    code === 0x5f ||
    code === 0x7e
  );
}

/** RFC 3986 5.2.4 on a path that begins with '/'; `..` at the root stays at the root. */
function resolveDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/');
  const last = segments.length - 1;
  // segments[0] is what stands before the first '/': nothing.
  for (let i = 1; i <= last; i++) {
    const segment = segments[i]!;
    const dots = dotSegment(segment);
    if (dots > 0) {
      if (dots === 2) kept.pop();
      // `/a/..` and `/a/.` name directories: the slash stays.
      if (i === last) kept.push('');
    } else kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/**
 * 1 for `.`, 2 for `..`, else 0. A path parameter behind the dots (`..;x=1`) changes nothing: servlet
 * containers cut it off before they resolve, so it is a way around rules on paths. As Envoy 1.40.
 */
function dotSegment(segment: string): number {
  if (segment.charCodeAt(0) !== DOT) return 0;
  const dots = segment.charCodeAt(1) === DOT ? 2 : 1;
  return segment.length === dots || segment[dots] === ';' ? dots : 0;
}
