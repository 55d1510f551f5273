// Serialises heads and trailers of HTTP/1 messages as latin1 text. Pure; called by both codecs, which
// decide the framing and do the writing. Header order is that of the list, the codec's own framing
// lines come last, and a request has its host first: exactly what Envoy sends.

import type { HeaderFields, HeaderSpelling } from '../../api/headers.ts';
import { reasonPhrase } from '../codes.ts';

/** How a message's body is delimited on the wire. */
export const Framing = {
  /** No body follows and nothing says so (GET, 204, 304). */
  None: 0,
  /** The list's own Content-Length counts. */
  Length: 1,
  Chunked: 2,
  /** The body ends with the connection (HTTP/1.0 client). */
  UntilClose: 3,
} as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

/** Status lines are made once each; there are at most 900. */
const statusLines11: string[] = [];
const statusLines10: string[] = [];

/** `HTTP/1.1 200 OK\r\n`; `reason` '' = the standard phrase. */
export function statusLine(status: number, isHttp10: boolean, reason: string): string {
  if (reason !== '') return `HTTP/1.${isHttp10 ? 0 : 1} ${status} ${reason}\r\n`;
  const cache = isHttp10 ? statusLines10 : statusLines11;
  let line = cache[status];
  if (line === undefined) {
    line = `HTTP/1.${isHttp10 ? 0 : 1} ${status} ${reasonPhrase(status)}\r\n`;
    if (status >= 100 && status <= 999) cache[status] = line;
  }
  return line;
}

/**
 * The header lines of `fields` without the final empty line. `transfer-encoding` is never copied: it
 * describes the hop it came from, and the codec writes its own.
 */
export function headerLines(fields: HeaderFields, style: NameStyle): string {
  let text = '';
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (name === 'transfer-encoding') continue;
    text += `${style === 'lower' ? name : styledName(name, style)}: ${fields[i + 1]!}\r\n`;
  }
  return text;
}

/** One line of the codec's own. */
export function headerLine(name: string, value: string, style: NameStyle): string {
  return `${styledName(name, style)}: ${value}\r\n`;
}

/** How names are written. */
export type NameStyle = 'lower' | 'proper' | HeaderSpelling;

/** The peer's own spelling wins over the codec's option, as in Envoy. */
export function nameStyle(spelling: HeaderSpelling | null, properCase: boolean): NameStyle {
  if (spelling !== null) return spelling;
  return properCase ? 'proper' : 'lower';
}

function styledName(name: string, style: NameStyle): string {
  if (style === 'lower') return name;
  if (style === 'proper') return properCaseName(name);
  const spelled = style.names.get(name);
  if (spelled !== undefined) return spelled;
  return style.isOtherwiseProper ? properCaseName(name) : name;
}

const MAX_PROPER_CASE_NAMES = 1024;
const properCaseNames = new Map<string, string>();

/** `x-request-id` -> `X-Request-Id`; Envoy: proper_case_words. */
export function properCaseName(name: string): string {
  const known = properCaseNames.get(name);
  if (known !== undefined) return known;
  let proper = '';
  let upperNext = true;
  for (const char of name) {
    proper += upperNext ? char.toUpperCase() : char;
    // Envoy: a letter after anything that is neither letter nor digit.
    upperNext = !/[a-z0-9]/.test(char);
  }
  if (properCaseNames.size < MAX_PROPER_CASE_NAMES) properCaseNames.set(name, proper);
  return proper;
}

/** Content-Length of `fields`, or -1. A value that is not a number (set by a filter) counts as absent. */
export function contentLengthOf(fields: HeaderFields): number {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === 'content-length') {
      const length = Number(fields[i + 1]);
      return Number.isSafeInteger(length) && length >= 0 ? length : -1;
    }
  }
  return -1;
}

/** Methods whose requests say nothing when they have no body; others get `content-length: 0`. */
export function isBodilessMethod(method: string): boolean {
  return (
    method === 'GET' ||
    method === 'HEAD' ||
    method === 'DELETE' ||
    method === 'TRACE' ||
    method === 'CONNECT'
  );
}
