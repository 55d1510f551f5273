// Readers of operators that look into headers and the request's path: REQ, RESP, TRAILER, PATH, QUERY_PARAM(S).

import type { LogContext } from '../api/access-log.ts';
import {
  getField,
  type RequestHeaders,
  type ResponseHeaders,
  type Trailers,
} from '../api/headers.ts';

type ReadText = (context: LogContext) => string | null;
type AnyHeaders = RequestHeaders | ResponseHeaders | Trailers;

/** First value only, as Envoy's formatter takes it (matchers join several). */
function firstValue(headers: AnyHeaders, name: string): string | null {
  if (Array.isArray(headers)) return getField(headers, name);
  if (name.charCodeAt(0) === 0x3a || name === 'host') return headers.get(name);
  return getField(headers.fields, name);
}

/** `X` or `X?Y` (Y where X is missing); what is wrong with it otherwise. */
export function headerReader(
  argument: string,
  headersOf: (context: LogContext) => AnyHeaders | null,
): ReadText | string {
  const names = argument.toLowerCase().split('?');
  const [main = '', alternative = ''] = names;
  if (names.length > 2) return 'more than one alternative header';
  if (main === '') return 'no header name';
  return (context) => {
    const headers = headersOf(context);
    if (headers === null) return null;
    const value = firstValue(headers, main);
    if (value !== null || alternative === '') return value;
    return firstValue(headers, alternative);
  };
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/** `WQ` or `NQ` (query), then `PATH`, `ORIG` or `ORIG_OR_PATH` (before rewriting); `WQ:ORIG_OR_PATH` by default. */
export function pathReader(argument: string): ReadText | string {
  const [query = '', source = '', ...rest] = argument.split(':');
  if (rest.length > 0 || !['', 'WQ', 'NQ'].includes(query)) return 'expected WQ or NQ first';
  if (!['', 'PATH', 'ORIG', 'ORIG_OR_PATH'].includes(source)) {
    return 'expected PATH, ORIG or ORIG_OR_PATH second';
  }
  return (context) => {
    const headers = context.requestHeaders;
    if (headers === null) return null;
    let path = source === 'PATH' ? headers.path : headers.get('x-envoy-original-path');
    if (path === null && source !== 'ORIG') path = headers.path;
    if (path === null) return null;
    return query === 'NQ' ? withoutQuery(path) : path;
  };
}

function queryOf(context: LogContext): string | null {
  const path = context.requestHeaders?.path ?? '';
  const at = path.indexOf('?');
  return at === -1 ? null : path.slice(at + 1);
}

/** `%20` and the like; what is no good escape stays. */
function percentDecode(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** First value of one query parameter, decoded. */
export function queryParameterReader(name: string): ReadText {
  return (context) => {
    const query = queryOf(context);
    if (query === null) return null;
    for (const pair of query.split('&')) {
      const equals = pair.indexOf('=');
      const key = equals === -1 ? pair : pair.slice(0, equals);
      if (percentDecode(key) === name) {
        return equals === -1 ? '' : percentDecode(pair.slice(equals + 1));
      }
    }
    return null;
  };
}

/** The whole query: `ORIG` as it came (default) or `DECODED`. */
export function queryReader(argument: string): ReadText | string {
  switch (argument) {
    case '':
    case 'ORIG':
      return queryOf;
    case 'DECODED':
      return (context) => {
        const query = queryOf(context);
        return query === null ? null : percentDecode(query);
      };
    default:
      return 'expected ORIG or DECODED';
  }
}
