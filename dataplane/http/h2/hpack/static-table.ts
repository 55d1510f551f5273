// The static table of HPACK (RFC 7541 Appendix A). Read by the decoder and the encoder.
//
// Written as literals: those are internalised strings, the same objects as the names of header-names.ts,
// so that === on names compares pointers.

/** Fields of the table, flat; those of index i stand at 2 i and 2 i + 1. Index 0 is not used. */
const fields: readonly string[] = [
  ...['', ''],
  ...[':authority', ''],
  ...[':method', 'GET'],
  ...[':method', 'POST'],
  ...[':path', '/'],
  ...[':path', '/index.html'],
  ...[':scheme', 'http'],
  ...[':scheme', 'https'],
  ...[':status', '200'],
  ...[':status', '204'],
  ...[':status', '206'],
  ...[':status', '304'],
  ...[':status', '400'],
  ...[':status', '404'],
  ...[':status', '500'],
  ...['accept-charset', ''],
  ...['accept-encoding', 'gzip, deflate'],
  ...['accept-language', ''],
  ...['accept-ranges', ''],
  ...['accept', ''],
  ...['access-control-allow-origin', ''],
  ...['age', ''],
  ...['allow', ''],
  ...['authorization', ''],
  ...['cache-control', ''],
  ...['content-disposition', ''],
  ...['content-encoding', ''],
  ...['content-language', ''],
  ...['content-length', ''],
  ...['content-location', ''],
  ...['content-range', ''],
  ...['content-type', ''],
  ...['cookie', ''],
  ...['date', ''],
  ...['etag', ''],
  ...['expect', ''],
  ...['expires', ''],
  ...['from', ''],
  ...['host', ''],
  ...['if-match', ''],
  ...['if-modified-since', ''],
  ...['if-none-match', ''],
  ...['if-range', ''],
  ...['if-unmodified-since', ''],
  ...['last-modified', ''],
  ...['link', ''],
  ...['location', ''],
  ...['max-forwards', ''],
  ...['proxy-authenticate', ''],
  ...['proxy-authorization', ''],
  ...['range', ''],
  ...['referer', ''],
  ...['refresh', ''],
  ...['retry-after', ''],
  ...['server', ''],
  ...['set-cookie', ''],
  ...['strict-transport-security', ''],
  ...['transfer-encoding', ''],
  ...['user-agent', ''],
  ...['vary', ''],
  ...['via', ''],
  ...['www-authenticate', ''],
];

/** Names by index, 1 to 61. */
export const STATIC_NAMES: readonly string[] = fields.filter((_, i) => i % 2 === 0);

/** Values by index, 1 to 61; '' where the table has a name only. */
export const STATIC_VALUES: readonly string[] = fields.filter((_, i) => i % 2 === 1);

/** Index of the newest entry of a dynamic table. */
export const FIRST_DYNAMIC_INDEX = 62;

/** What an entry counts beyond its name and value (RFC 7541 4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/** Of both ends until SETTINGS say otherwise (RFC 9113 6.5.2). */
export const DEFAULT_TABLE_BYTES = 4096;
