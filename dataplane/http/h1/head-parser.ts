// Parses the head of an HTTP/1 message: start line and header block, and the trailer section.
// Called by both codecs with all bytes received so far; strict in every question of framing.
//
// One pass over bytes with class tables finds, validates and hashes; then the head becomes one latin1
// string and values are slices of it. Parsing again from the start when the head was cut is cheap,
// because the codecs only try when a line end has come (heads are bounded in lines and in bytes).
// bench/micro/h1-codec.ts has the figures.
//
// A parser holds the result of its last call only; one per worker is enough, codecs read it at once.

import type { CodecError } from '../../api/codec.ts';
import type { PreserveCaseData } from '../../api/config/http1.ts';
import {
  getJoinedField,
  type HeaderFields,
  type HeaderSpelling,
  removeField,
  setField,
} from '../../api/headers.ts';
import type { StringMatcher } from '../../matcher/string-matcher.ts';
import { isValidAuthority } from '../authority.ts';
import { parseContentLength } from '../content-length.ts';
import { hashStep, internName, TOKEN_LOWER, underscoreSeen } from '../header-names.ts';
import { joinedInRequests, joinedInResponses, joinRepeated } from '../joined-names.ts';
import { MAX_LEADING_CRLF_BYTES } from './limits.ts';
import { parseRequestTarget, requestTarget } from './request-target.ts';

/** Result of a parse that did not get to the end of the head. */
export const NEED_MORE = 0;
export const PARSE_ERROR = -1;

/** What is parsed. */
const Part = { Request: 0, Response: 1, Trailers: 2 } as const;
type Part = (typeof Part)[keyof typeof Part];

/** What bounds a head; one object per listener or cluster. */
export interface HeadLimits {
  readonly maxHeadBytes: number;
  readonly maxHeadersCount: number;
  readonly underscores: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';
  /** Default true. */
  readonly allowAbsoluteUrl: boolean;
  readonly allowChunkedLength: boolean;
  readonly allowCustomMethods: boolean;
  readonly ignoredUpgrades: readonly StringMatcher[];
  /** Null = names are not wanted as they were spelled. */
  readonly preserveCase: PreserveCaseData | null;
}

const CR = 13;
const LF = 10;
const SP = 32;
const TAB = 9;
const COLON = 58;

/** 1 = may stand in a field value: TAB, SP, VCHAR, obs-text (RFC 9110 5.5). */
const VALUE_CHAR = new Uint8Array(256);
VALUE_CHAR.fill(1, 32, 127);
VALUE_CHAR.fill(1, 128);
VALUE_CHAR[TAB] = 1;

/** 1 = may stand in a request target: visible ASCII. What Envoy lets through (`"<>\^{|}`) passes. */
const TARGET_CHAR = new Uint8Array(256);
TARGET_CHAR.fill(1, 33, 127);

/**
 * Envoy's list (it refuses others unless allow_custom_methods); method names are case-sensitive.
 * Short strings as keys: the lookup gives back the shared string.
 */
const methods = new Map(
  (
    'GET HEAD POST PUT DELETE OPTIONS PATCH TRACE CONNECT ACL BIND CHECKOUT COPY LINK LOCK MERGE ' +
    'MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE REBIND REPORT SEARCH SOURCE ' +
    'SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  )
    .split(' ')
    .map((method) => [method, method]),
);
const MAX_METHOD_LENGTH = 16;

/**
 * lastHeadWith[low bits of a name's hash] = number of the last head with such a name. Says for nearly nothing
 * that no name stands twice in a head, which is the rule (numbers below 2^53 stay exact).
 */
const MARKS = 1024;
const lastHeadWith = new Float64Array(MARKS);
let headNumber = 0;

/** Where lines lie in the head being parsed: [name0, value0, end of value0, name1, ...]. Grows, never shrinks. */
let spans = new Int32Array(512);
/** Their names. */
const spanNames: string[] = [];

/** See the file head. Fields are valid after a call that returned a position. */
export class HeadParser {
  /** Request. */
  method = '';
  path = '';
  /** '' = no Host line (HTTP/1.0, or a 1.1 request that the HCM refuses). */
  authority = '';
  /** Response. */
  status = 0;
  /** 0 or 1; the major version is always 1. */
  minorVersion = 1;
  /** Owned by the caller: the parser makes a fresh list per message. Without Host and TE. */
  fields: HeaderFields = [];
  /** -1 = no Content-Length. */
  contentLength = -1;
  isChunked = false;
  connectionClose = false;
  connectionKeepAlive = false;
  /** The Connection header says upgrade and there is an Upgrade header (h2c apart, see below). */
  isUpgrade = false;
  /** An h2c offer was in the request and has been removed from the fields. */
  droppedHeaders = 0;
  /** With HeadLimits.preserveCase. */
  spelling: HeaderSpelling | null = null;
  error: CodecError = noError;

  /** The whole head; the last one stays referenced until the next, which is bounded. */
  #text = '';
  #hostCount = 0;
  #teSeen = false;
  #transferEncoding = '';

  /** Parses a request head at `start`; returns the position after it, NEED_MORE or PARSE_ERROR. */
  parseRequest(bytes: Buffer, start: number, limits: HeadLimits): number {
    const end = bytes.length;
    let pos = start;
    while (pos < end && bytes[pos] === CR) {
      if (pos - start >= MAX_LEADING_CRLF_BYTES) return this.#fail(tooManyEmptyLines);
      if (pos + 1 === end) return NEED_MORE;
      if (bytes[pos + 1] !== LF) return this.#fail(bareCr);
      pos += 2;
    }
    const headStart = pos;

    while (pos < end && TOKEN_LOWER[bytes[pos]!] !== 0) pos++;
    if (pos - headStart > MAX_METHOD_LENGTH) return this.#fail(badMethod);
    if (pos === end) return NEED_MORE;
    if (bytes[pos] !== SP || pos === headStart) return this.#fail(badMethod);
    const method = methodAt(bytes, headStart, pos);
    if (method === '' && !limits.allowCustomMethods) return this.#fail(badMethod);

    const targetStart = ++pos;
    while (pos < end && TARGET_CHAR[bytes[pos]!] === 1) pos++;
    if (pos - headStart > limits.maxHeadBytes) return this.#fail(headTooLarge);
    if (pos === end) return NEED_MORE;
    const targetEnd = pos;
    const delimiter = bytes[pos]!;
    if (delimiter === CR) return this.#fail(noVersion);
    if (delimiter !== SP) return this.#fail(delimiter < SP ? badTargetControl : badTarget);
    if (targetEnd === targetStart) return this.#fail(badTarget);

    pos = this.#version(bytes, pos + 1);
    if (pos <= 0) return pos;
    if (pos === end) return NEED_MORE;
    if (bytes[pos] !== CR) return this.#fail(badVersion);
    if (pos + 1 === end) return NEED_MORE;
    if (bytes[pos + 1] !== LF) return this.#fail(bareCr);

    pos = this.#headerBlock(bytes, headStart, pos + 2, limits, Part.Request);
    if (pos <= 0) return pos;

    // Framing errors after syntax errors: the same order whether the head came whole or in pieces.
    if (this.#hostCount > 1) return this.#fail(twoHosts);
    const framing = this.#requestFraming(limits);
    if (framing !== null) return this.#fail(framing);
    this.method = method === '' ? bytes.toString('latin1', headStart, targetStart - 1) : method;
    const target = this.#text.substring(targetStart - headStart, targetEnd - headStart);
    if (target.charCodeAt(0) === 0x2f && method !== 'CONNECT') this.path = target;
    else {
      const bad = parseRequestTarget(method, target, limits.allowAbsoluteUrl);
      if (bad !== null) return this.#fail(bad);
      this.path = requestTarget.path;
      // RFC 9112 3.2.2: the target's authority wins over Host, but Host must still be there.
      if (requestTarget.authority !== '' && this.#hostCount === 1) {
        this.authority = requestTarget.authority;
      }
    }
    if (this.isUpgrade) this.#ignoreUpgrades(limits.ignoredUpgrades);
    // RFC 9110 9.3.8: a TRACE is echoed to whoever sent it, with the credentials of whoever made them send it.
    if (method === 'TRACE') this.fields = withoutFields(this.fields, credentials);
    return pos;
  }

  /** Value of Upgrade, of several joined; call it when isUpgrade. */
  upgradeType(): string {
    return getJoinedField(this.fields, 'upgrade') ?? '';
  }

  /** Parses a response head; same results. */
  parseResponse(bytes: Buffer, start: number, limits: HeadLimits): number {
    const end = bytes.length;
    let pos = this.#version(bytes, start);
    if (pos <= 0) return pos;
    if (pos === end) return NEED_MORE;
    if (bytes[pos] !== SP) return this.#fail(badStatusLine);
    let status = 0;
    for (let digits = 0; digits < 3; digits++) {
      if (++pos === end) return NEED_MORE;
      const digit = bytes[pos]! - 48;
      if (digit < 0 || digit > 9) return this.#fail(badStatusLine);
      status = status * 10 + digit;
    }
    if (++pos === end) return NEED_MORE;
    // "HTTP/1.1 200" without a reason and without the space is common enough and harmless.
    if (bytes[pos] !== SP && bytes[pos] !== CR) return this.#fail(badStatusLine);
    if (status < 100) return this.#fail(badStatusLine);
    while (pos < end && VALUE_CHAR[bytes[pos]!] === 1) pos++;
    if (pos - start > limits.maxHeadBytes) return this.#fail(headTooLarge);
    if (pos === end) return NEED_MORE;
    if (bytes[pos] !== CR) return this.#fail(badStatusLine);
    if (pos + 1 === end) return NEED_MORE;
    if (bytes[pos + 1] !== LF) return this.#fail(bareCr);
    pos = this.#headerBlock(bytes, start, pos + 2, limits, Part.Response);
    if (pos <= 0) return pos;
    this.status = status;
    const framing = this.#responseFraming(limits);
    return framing === null ? pos : this.#fail(framing);
  }

  /** Parses a trailer section (header lines and the empty line) into `fields`. */
  parseTrailers(bytes: Buffer, start: number, limits: HeadLimits): number {
    return this.#headerBlock(bytes, start, start, limits, Part.Trailers);
  }

  /** `HTTP/1.x` at `start`; position after it, NEED_MORE or PARSE_ERROR. */
  #version(bytes: Buffer, start: number): number {
    const end = bytes.length;
    for (let i = 0; i < versionPrefix.length; i++) {
      if (start + i === end) return NEED_MORE;
      if (bytes[start + i] !== versionPrefix[i]) return this.#fail(badVersion);
    }
    const pos = start + versionPrefix.length;
    if (end - pos < 3) return NEED_MORE;
    const major = bytes[pos]! - 48;
    const minor = bytes[pos + 2]! - 48;
    if (major < 0 || major > 9 || minor < 0 || minor > 9 || bytes[pos + 1] !== 46) {
      return this.#fail(badVersion);
    }
    if (major !== 1 || minor > 1) return this.#fail(unsupportedVersion);
    this.minorVersion = minor;
    return pos + 3;
  }

  #headerBlock(
    bytes: Buffer,
    headStart: number,
    blockStart: number,
    limits: HeadLimits,
    part: Part,
  ): number {
    this.#reset();
    // Not a byte past the limit is judged: a head that is too large is that, whatever else stands in it.
    const end = Math.min(bytes.length, headStart + limits.maxHeadBytes + 1);
    const { maxHeadersCount, underscores } = limits;
    let count = 0;
    let kept = 0;
    let mayRepeat = false;
    const head = ++headNumber;
    let pos = blockStart;
    for (;;) {
      if (pos === end) break;
      const nameStart = pos;
      let hash = 0;
      for (; pos < end; pos++) {
        const lower = TOKEN_LOWER[bytes[pos]!]!;
        if (lower === 0) break;
        hash = hashStep(hash, lower);
      }
      if (pos === end) break;
      if (pos === nameStart) {
        if (bytes[pos] !== CR) return this.#fail(bytes[pos] === LF ? bareLf : badHeaderName);
        if (pos + 1 === end) break;
        if (bytes[pos + 1] !== LF) return this.#fail(bareCr);
        if (pos + 2 - headStart > limits.maxHeadBytes) return this.#fail(headTooLarge);
        this.#slices(bytes, headStart, pos, kept, part);
        if (limits.preserveCase !== null) this.#spell(limits.preserveCase, headStart, kept);
        if (mayRepeat && part !== Part.Trailers) {
          joinRepeated(this.fields, part === Part.Request ? joinedInRequests : joinedInResponses);
        }
        return pos + 2;
      }
      if (bytes[pos] !== COLON) return this.#fail(bytes[pos] === LF ? bareLf : badHeaderName);
      if (++count > maxHeadersCount) return this.#fail(tooManyHeaders);
      const name = internName(bytes, nameStart, pos, hash);
      const isUnderscored = underscoreSeen;
      const mark = hash & (MARKS - 1);
      if (lastHeadWith[mark] === head) mayRepeat = true;
      lastHeadWith[mark] = head;
      pos++;
      while (pos < end && (bytes[pos] === SP || bytes[pos] === TAB)) pos++;
      const valueStart = pos;
      while (pos < end && VALUE_CHAR[bytes[pos]!] === 1) pos++;
      if (pos === end) break;
      if (bytes[pos] !== CR) return this.#fail(bytes[pos] === LF ? bareLf : badHeaderValue);
      if (pos + 1 === end) break;
      if (bytes[pos + 1] !== LF) return this.#fail(bareCr);
      let valueEnd = pos;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1]!)) valueEnd--;
      pos += 2;
      if (isUnderscored && underscores !== 'ALLOW') {
        this.droppedHeaders++;
        if (underscores === 'REJECT_REQUEST') return this.#fail(unexpectedUnderscore);
        continue;
      }
      if (kept * 3 + 3 > spans.length) spans = grown(spans);
      spans[kept * 3] = nameStart;
      spans[kept * 3 + 1] = valueStart;
      spans[kept * 3 + 2] = valueEnd;
      spanNames[kept++] = name;
    }
    return end - headStart > limits.maxHeadBytes ? this.#fail(headTooLarge) : NEED_MORE;
  }

  /** Second pass: values become slices of one string, and the ones that frame are looked at. */
  #slices(bytes: Buffer, start: number, end: number, count: number, part: Part): void {
    const text = bytes.toString('latin1', start, end);
    this.#text = text;
    const fields: string[] = [];
    let hasUpgrade = false;
    for (let i = 0; i < count; i++) {
      const name = spanNames[i]!;
      const value = text.substring(spans[i * 3 + 1]! - start, spans[i * 3 + 2]! - start);
      switch (name.length) {
        case 4:
          if (name === 'host' && part === Part.Request) {
            this.#hostCount++;
            this.authority = value;
            continue;
          }
          break;
        case 7:
          if (name === 'upgrade') hasUpgrade = true;
          break;
        case 10:
          if (name === 'connection') this.#connection(value);
          break;
        case 14:
          if (name === 'content-length') {
            // A second one is an error whatever it says; -2 marks it.
            this.contentLength = this.contentLength === -1 ? parseContentLength(value) : -2;
            // Re-emitted in canonical form: a peer may read 0002 as octal or refuse it.
            const isPlain = value.charCodeAt(0) !== 48;
            fields.push(name, isPlain ? value : String(this.contentLength));
            continue;
          }
          break;
        case 17:
          if (name === 'transfer-encoding') {
            this.#transferEncoding = this.#teSeen ? `${this.#transferEncoding},${value}` : value;
            this.#teSeen = true;
            continue;
          }
          break;
        default:
      }
      fields.push(name, value);
    }
    this.fields = fields;
    if (!hasUpgrade) this.isUpgrade = false;
  }

  #reset(): void {
    this.authority = '';
    this.contentLength = -1;
    this.isChunked = false;
    this.connectionClose = false;
    this.connectionKeepAlive = false;
    this.isUpgrade = false;
    this.droppedHeaders = 0;
    this.spelling = null;
    this.#hostCount = 0;
    this.#teSeen = false;
    this.#transferEncoding = '';
  }

  #connection(value: string): void {
    if (value === 'keep-alive') this.connectionKeepAlive = true;
    else if (value === 'close') this.connectionClose = true;
    else {
      for (const part of value.toLowerCase().split(',')) {
        const token = part.trim();
        if (token === 'close') this.connectionClose = true;
        else if (token === 'keep-alive') this.connectionKeepAlive = true;
        else if (token === 'upgrade') this.isUpgrade = true;
      }
    }
  }

  #requestFraming(limits: HeadLimits): CodecError | null {
    if (this.#teSeen) {
      if (this.minorVersion === 0) return transferEncodingInHttp10;
      const bad = this.#chunkedFraming(limits);
      if (bad !== null) return bad;
      this.isChunked = true;
    }
    if (this.contentLength < -1) return badContentLength;
    if (this.#hostCount === 1 && !isValidAuthority(this.authority)) return badAuthority;
    return null;
  }

  #responseFraming(limits: HeadLimits): CodecError | null {
    if (this.contentLength < -1) return badContentLength;
    if (!this.#teSeen) return null;
    const bad = this.#chunkedFraming(limits);
    if (bad !== null) return bad;
    this.isChunked = true;
    return null;
  }

  #chunkedFraming(limits: HeadLimits): CodecError | null {
    if (this.contentLength === -1) return judgeTransferEncoding(this.#transferEncoding);
    if (!limits.allowChunkedLength || this.contentLength < 0) return lengthAndChunked;
    const bad = judgeTransferEncoding(this.#transferEncoding);
    if (bad !== null) return bad;
    // RFC 9112 6.1: chunked counts, the length goes, and nothing is read behind the message.
    removeField(this.fields, 'content-length');
    this.contentLength = -1;
    this.connectionClose = true;
    return null;
  }

  #spell(
    { isOtherwiseProper, forwardReasonPhrase }: PreserveCaseData,
    start: number,
    count: number,
  ): void {
    const text = this.#text;
    const names = new Map<string, string>();
    for (let i = 0; i < count; i++) {
      const name = spanNames[i]!;
      const at = spans[i * 3]! - start;
      if (!names.has(name)) names.set(name, text.substring(at, at + name.length));
    }
    const reasonPhrase = forwardReasonPhrase
      ? (/^HTTP\/1\.\d \d{3} ([^\r]*)/.exec(text)?.[1] ?? '')
      : '';
    this.spelling = { names, isOtherwiseProper, reasonPhrase };
  }

  /** RFC 9113 dropped h2c upgrades and proxies must not pass them on (h2c smuggling): as if never said. */
  #refuseH2c(): void {
    this.isUpgrade = false;
    this.fields = withoutFields(this.fields, h2cOffer);
  }

  /** Takes out what nobody may be asked for; the request is then served as if it had not offered it. */
  #ignoreUpgrades(ignored: readonly StringMatcher[]): void {
    const upgrade = getJoinedField(this.fields, 'upgrade') ?? '';
    if (upgrade.toLowerCase() === 'h2c') {
      this.#refuseH2c();
      return;
    }
    if (ignored.length === 0) return;
    const kept = upgrade
      .split(',')
      .map((protocol) => protocol.trim())
      .filter((protocol) => !ignored.some((matcher) => matcher.match(protocol)));
    if (kept.length > 0) setField(this.fields, 'upgrade', kept.join(','));
    else {
      this.isUpgrade = false;
      this.fields = withoutFields(this.fields, upgradeOffer);
    }
  }

  #fail(error: CodecError): number {
    this.error = error;
    return PARSE_ERROR;
  }
}

/**
 * Whether a head that `unparsed` did not complete is worth parsing again now that `data` has come: only
 * line ends change anything. Keeps a head that drips in byte by byte from being parsed at each byte.
 */
export function canAdvance(unparsed: Buffer, data: Buffer): boolean {
  // A CR must be followed by LF, so the byte behind one is news as well.
  return unparsed[unparsed.length - 1] === CR || data.includes(LF) || data.includes(CR);
}

const upgradeOffer: ReadonlySet<string> = new Set(['upgrade', 'connection']);
const h2cOffer: ReadonlySet<string> = new Set(['upgrade', 'http2-settings', 'connection']);
const credentials: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
]);

/** `fields` less those in `names`; a new list. */
function withoutFields(fields: HeaderFields, names: ReadonlySet<string>): HeaderFields {
  const kept: HeaderFields = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (!names.has(name)) kept.push(name, fields[i + 1]!);
  }
  return kept;
}

/** The method in bytes[start, end), or '' when Envoy would not take it. */
function methodAt(bytes: Buffer, start: number, end: number): string {
  // The two that nearly all requests have, without making a string: 100 ns less per request.
  const length = end - start;
  if (length === 3 && bytes[start] === 71 && bytes[start + 1] === 69 && bytes[start + 2] === 84) {
    return 'GET';
  }
  if (
    length === 4 &&
    bytes[start] === 80 &&
    bytes[start + 1] === 79 &&
    bytes[start + 2] === 83 &&
    bytes[start + 3] === 84
  ) {
    return 'POST';
  }
  return methods.get(bytes.toString('latin1', start, end)) ?? '';
}

const versionPrefix = Buffer.from('HTTP/', 'latin1');

function isBlank(code: number): boolean {
  return code === SP || code === TAB;
}

function grown(spans: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(spans.length * 2);
  larger.set(spans);
  return larger;
}

/** Null for `chunked`; 501 for codings that we do not know; 400 for what no sender means honestly. */
function judgeTransferEncoding(value: string): CodecError | null {
  const lower = value.toLowerCase();
  if (lower === 'chunked') return null;
  const codings = lower.split(',').map((coding) => coding.trim());
  const firstChunked = codings.indexOf('chunked');
  if (codings.length > 1 && codings.includes('')) return badTransferEncoding;
  if (firstChunked !== -1 && firstChunked !== codings.length - 1) return badTransferEncoding;
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) > 126) return badTransferEncoding;
  }
  return unknownTransferEncoding;
}

function codecError(status: number, details: string, message: string): CodecError {
  return Object.freeze({ status, details, message });
}

// Made once: a rejected request must not cost more than a good one. Details are Envoy's.
const noError = codecError(400, 'http1.codec_error', 'no error');
const badMethod = codecError(400, 'http1.codec_error', 'invalid method');
const badTarget = codecError(400, 'http1.codec_error', 'invalid request target');
const badTargetControl = codecError(400, 'http1.invalid_characters', 'control byte in target');
const badVersion = codecError(400, 'http1.codec_error', 'invalid HTTP version');
const noVersion = codecError(400, 'http1.codec_error', 'HTTP/0.9 request line');
const unsupportedVersion = codecError(505, 'http1.codec_error', 'unsupported HTTP version');
const badStatusLine = codecError(400, 'http1.codec_error', 'invalid status line');
const bareCr = codecError(400, 'http1.codec_error', 'CR without LF');
const bareLf = codecError(400, 'http1.codec_error', 'LF without CR');
const tooManyEmptyLines = codecError(400, 'http1.codec_error', 'too many empty lines');
const badHeaderName = codecError(400, 'http1.codec_error', 'invalid header name or folded line');
const badHeaderValue = codecError(400, 'http1.invalid_characters', 'invalid byte in header value');
const headTooLarge = codecError(431, 'http1.headers_too_large', 'header block too large');
const tooManyHeaders = codecError(431, 'http1.too_many_headers', 'too many header lines');
const twoHosts = codecError(400, 'http1.codec_error', 'more than one Host');
const badAuthority = codecError(400, 'http.invalid_authority', 'invalid Host');
const badContentLength = codecError(400, 'http1.codec_error', 'invalid or repeated Content-Length');
const lengthAndChunked = codecError(
  400,
  'http1.content_length_and_chunked_not_allowed',
  'both Content-Length and Transfer-Encoding',
);
const transferEncodingInHttp10 = codecError(
  400,
  'http1.transfer_encoding_not_allowed',
  'Transfer-Encoding in HTTP/1.0',
);
const badTransferEncoding = codecError(
  400,
  'http1.invalid_transfer_encoding',
  'malformed Transfer-Encoding',
);
const unknownTransferEncoding = codecError(
  501,
  'http1.invalid_transfer_encoding',
  'unsupported transfer coding',
);
const unexpectedUnderscore = codecError(
  400,
  'http1.unexpected_underscore',
  'header name with an underscore',
);
