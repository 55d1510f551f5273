// A second HTTP/1.1 request parser, written on its own and sharing nothing with the proxy's: the oracle of where a
// request in the proxy's output ends. It knows only the canonical form that a proxy may emit and refuses the rest.

export interface ParsedRequest {
  readonly method: string;
  readonly target: string;
  /** Lower-case names, in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
  /** Position behind the request. */
  readonly end: number;
}

export type ParseOutcome =
  | { readonly kind: 'request'; readonly request: ParsedRequest }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string };

const incomplete: ParseOutcome = { kind: 'incomplete' };
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const requestLine = new RegExp(`^(${token}) ([\\x21-\\x7e]+) HTTP/1\\.1$`);
const fieldLine = new RegExp(
  `^(${token}):[ \\t]*((?:[\\x20-\\x7e\\x80-\\xff\\t]*[\\x21-\\x7e\\x80-\\xff])?)[ \\t]*$`,
);

function malformed(reason: string): ParseOutcome {
  return { kind: 'malformed', reason };
}

/** The request at `start`; never reads past what its framing says. */
export function parseRequest(bytes: Buffer, start: number): ParseOutcome {
  const headEnd = bytes.indexOf('\r\n\r\n', start);
  if (headEnd === -1) return incomplete;
  const [first = '', ...lines] = bytes.toString('latin1', start, headEnd).split('\r\n');
  const line = requestLine.exec(first);
  if (line === null) return malformed(`request line '${first.slice(0, 80)}'`);
  const headers = fieldsOf(lines);
  if (typeof headers === 'string') return malformed(headers);
  const all = (name: string) => headers.filter(([key]) => key === name).map(([, value]) => value);
  const lengths = all('content-length');
  const codings = all('transfer-encoding');
  if (all('host').length !== 1) return malformed(`${all('host').length} Host lines`);
  if (lengths.length + codings.length > 1) return malformed('more than one line that frames');
  const head = { method: line[1] ?? '', target: line[2] ?? '', headers };
  const bodyStart = headEnd + 4;
  const [coding] = codings;
  if (coding !== undefined) {
    if (coding !== 'chunked') return malformed(`transfer-encoding '${coding}'`);
    return chunked(bytes, bodyStart, head);
  }
  const [length] = lengths;
  if (length !== undefined && !isExactLength(length)) {
    return malformed(`content-length '${length}'`);
  }
  const end = bodyStart + Number(length ?? 0);
  if (bytes.length < end) return incomplete;
  const body = bytes.subarray(bodyStart, end);
  return { kind: 'request', request: { ...head, body, trailers: [], end } };
}

function chunked(
  bytes: Buffer,
  start: number,
  head: Pick<ParsedRequest, 'method' | 'target' | 'headers'>,
): ParseOutcome {
  const pieces: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1)
      return bytes.length - at > 16 ? malformed('endless chunk size') : incomplete;
    const size = bytes.toString('latin1', at, lineEnd);
    if (!/^(0|[1-9a-f][0-9a-f]{0,11})$/.test(size))
      return malformed(`chunk size '${size.slice(0, 40)}'`);
    const dataStart = lineEnd + 2;
    const dataEnd = dataStart + Number.parseInt(size, 16);
    if (size === '0') {
      const sectionEnd = bytes.indexOf('\r\n\r\n', lineEnd);
      if (sectionEnd === -1) return incomplete;
      const section = bytes.toString('latin1', dataStart, Math.max(dataStart, sectionEnd));
      const trailers = fieldsOf(section === '' ? [] : section.split('\r\n'));
      if (typeof trailers === 'string') return malformed(trailers);
      const body = Buffer.concat(pieces);
      return { kind: 'request', request: { ...head, body, trailers, end: sectionEnd + 4 } };
    }
    if (bytes.length < dataEnd + 2) return incomplete;
    if (bytes.toString('latin1', dataEnd, dataEnd + 2) !== '\r\n') return malformed('chunk end');
    pieces.push(bytes.subarray(dataStart, dataEnd));
    at = dataEnd + 2;
  }
}

/** The fields, or what is wrong with them. */
function fieldsOf(lines: readonly string[]): (readonly [string, string])[] | string {
  const fields: (readonly [string, string])[] = [];
  for (const line of lines) {
    const field = fieldLine.exec(line);
    if (field === null) return `header line '${line.slice(0, 80)}'`;
    fields.push([(field[1] ?? '').toLowerCase(), field[2] ?? '']);
  }
  return fields;
}

/** All requests of a stream, where the last whole one ends, and what stands behind that. */
export function parseStream(bytes: Buffer): {
  readonly requests: ParsedRequest[];
  readonly end: number;
  readonly rest: 'nothing' | 'incomplete' | 'malformed';
  readonly reason: string;
} {
  const requests: ParsedRequest[] = [];
  for (let end = 0; ; ) {
    if (end === bytes.length) return { requests, end, rest: 'nothing', reason: '' };
    const outcome = parseRequest(bytes, end);
    if (outcome.kind === 'malformed') {
      return { requests, end, rest: 'malformed', reason: outcome.reason };
    }
    if (outcome.kind === 'incomplete') return { requests, end, rest: 'incomplete', reason: '' };
    requests.push(outcome.request);
    end = outcome.request.end;
  }
}

/** Digits without a leading zero, and no more than a number holds exactly. */
function isExactLength(text: string): boolean {
  return /^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text));
}
