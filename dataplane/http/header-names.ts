// Character classes of header names and the table that turns a name's bytes into one shared lower-case
// string. Used by the HTTP/1 head parser; a name that went through here compares with === by pointer.
//
// Why a table over bytes: the parser looks at every byte of a name anyway to validate it, so the hash
// comes along for free and no string is made at all for a known name. bench/micro/h1-codec.ts, head of
// 13 headers: 1288 ns; with a string per name and a Map from spelling to name: 2130 ns (Node 24.21).

/** Lower-case code of a token character (RFC 9110 5.6.2), 0 for every other byte. */
export const TOKEN_LOWER: Uint8Array = makeTokenTable();

function makeTokenTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
    table[char.charCodeAt(0)] = char.charCodeAt(0);
  }
  for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') {
    table[char.charCodeAt(0)] = char.charCodeAt(0) + 32;
  }
  return table;
}

const SLOTS = 4096;
/** Learned names beyond this many are lower-cased each time: peers choose them, so they are bounded. */
const MAX_NAMES = 1024;
const MAX_LEARNED_LENGTH = 64;

const names: string[] = new Array<string>(SLOTS).fill('');
const hasUnderscore = new Uint8Array(SLOTS);
let nameCount = 0;

/** Continues the hash of a name with one lower-case character code; starts at 0. */
export function hashStep(hash: number, lowerCode: number): number {
  return (Math.imul(hash, 31) + lowerCode) | 0;
}

/**
 * The lower-case name that stands in bytes[start, end), all of them token characters whose hash
 * (hashStep over their lower-case codes) is `hash`.
 */
export function internName(bytes: Buffer, start: number, end: number, hash: number): string {
  const length = end - start;
  let slot = (hash ^ (hash >>> 12)) & (SLOTS - 1);
  for (;;) {
    const name = names[slot]!;
    if (name === '') break;
    if (name.length === length) {
      let i = 0;
      while (i < length && name.charCodeAt(i) === TOKEN_LOWER[bytes[start + i]!]) i++;
      if (i === length) {
        underscoreSeen = hasUnderscore[slot]! === 1;
        return name;
      }
    }
    slot = (slot + 1) & (SLOTS - 1);
  }
  const name = bytes.toString('latin1', start, end).toLowerCase();
  if (nameCount < MAX_NAMES && length <= MAX_LEARNED_LENGTH) return learn(name, slot);
  underscoreSeen = name.includes('_');
  return name;
}

/** Whether the name returned by the last internName has an underscore (saves a search per header). */
export let underscoreSeen = false;

function learn(name: string, slot: number): string {
  // A property key is an internalised string: comparing two of those compares two pointers.
  const interned = Object.keys({ [name]: 0 })[0]!;
  names[slot] = interned;
  underscoreSeen = interned.includes('_');
  hasUnderscore[slot] = underscoreSeen ? 1 : 0;
  nameCount++;
  return interned;
}

/** Names worth having from the start, so that a flood of odd ones cannot take their place. */
const wellKnown = (
  'accept accept-charset accept-encoding accept-language accept-ranges access-control-allow-credentials ' +
  'access-control-allow-headers access-control-allow-methods access-control-allow-origin ' +
  'access-control-expose-headers access-control-max-age access-control-request-headers ' +
  'access-control-request-method age allow alt-svc authorization baggage cache-control connection ' +
  'content-disposition content-encoding content-language content-length content-location content-range ' +
  'content-security-policy content-type cookie date dnt etag expect expires forwarded from ' +
  'grpc-accept-encoding grpc-encoding grpc-message grpc-status grpc-timeout host http2-settings if-match ' +
  'if-modified-since if-none-match if-range if-unmodified-since keep-alive last-modified link location ' +
  'max-forwards origin pragma priority proxy-authenticate proxy-authorization proxy-connection range ' +
  'referer referrer-policy retry-after sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest ' +
  'sec-fetch-mode sec-fetch-site sec-fetch-user sec-websocket-accept sec-websocket-extensions ' +
  'sec-websocket-key sec-websocket-protocol sec-websocket-version server set-cookie ' +
  'strict-transport-security te trailer traceparent tracestate transfer-encoding upgrade ' +
  'upgrade-insecure-requests user-agent vary via warning www-authenticate x-b3-parentspanid x-b3-sampled ' +
  'x-b3-spanid x-b3-traceid x-client-trace-id x-content-type-options x-envoy-attempt-count ' +
  'x-envoy-decorator-operation x-envoy-downstream-service-cluster x-envoy-downstream-service-node ' +
  'x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace x-envoy-internal ' +
  'x-envoy-max-retries x-envoy-original-path x-envoy-overloaded x-envoy-peer-metadata ' +
  'x-envoy-peer-metadata-id x-envoy-ratelimited x-envoy-retry-grpc-on x-envoy-retry-on ' +
  'x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-ms ' +
  'x-envoy-upstream-service-time x-forwarded-client-cert x-forwarded-for x-forwarded-host ' +
  'x-forwarded-port x-forwarded-proto x-frame-options x-ot-span-context x-powered-by x-real-ip ' +
  'x-request-id x-requested-with x-xss-protection'
).split(' ');

for (const name of wellKnown) {
  const bytes = Buffer.from(name, 'latin1');
  let hash = 0;
  for (const code of bytes) hash = hashStep(hash, code);
  internName(bytes, 0, bytes.length, hash);
}
