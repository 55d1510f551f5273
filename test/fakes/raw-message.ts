// Raw HTTP/1.1 in tests: whether all of a message has come, and a form of it in which two proxies can be compared.

export interface RawMessage {
  /** The start line, and the header lines sorted, with what differs from run to run as `*`. */
  readonly head: readonly string[];
  /** Without its chunks, latin1. */
  readonly body: string;
  readonly trailers: readonly string[];
}

interface Parsed {
  readonly message: RawMessage;
  /** Where the next one begins. */
  readonly end: number;
}

const GENERATED =
  /^(date|x-request-id|x-envoy-upstream-service-time|x-envoy-expected-rq-timeout-ms): .*$/i;

/** The whole messages in `text`; what is left over is one more body. `head` = responses to HEAD: without body. */
export function rawMessages(text: string): readonly RawMessage[] {
  const messages: RawMessage[] = [];
  let at = 0;
  for (;;) {
    const parsed = parse(text, at);
    if (parsed === null) break;
    messages.push(parsed.message);
    at = parsed.end;
  }
  if (at < text.length) {
    const lines = text.slice(at).split('\r\n').map(masked);
    messages.push({ head: ['(rest)'], body: lines.join('\r\n'), trailers: [] });
  }
  return messages;
}

/** A final response, or a request, has come whole. */
export function isWholeMessage(text: string): boolean {
  for (let at = 0; ; ) {
    const parsed = parse(text, at);
    if (parsed === null) return false;
    if (!/^HTTP\/1\.1 1(?!01)/.test(parsed.message.head[0] ?? '')) return true;
    at = parsed.end;
  }
}

function masked(line: string): string {
  return line.replace(GENERATED, '$1: *');
}

function parse(text: string, from: number): Parsed | null {
  const headEnd = text.indexOf('\r\n\r\n', from);
  if (headEnd === -1) return null;
  const [first = '', ...lines] = text.slice(from, headEnd).split('\r\n');
  const head = [first, ...lines.map(masked).sort()];
  const start = headEnd + 4;
  if (lines.some((line) => /^transfer-encoding: chunked$/i.test(line))) {
    return parseChunks(text, start, head);
  }
  const length = lines.map((line) => /^content-length: (\d+)$/i.exec(line)?.[1]).find(Boolean);
  const end = start + Number(length ?? 0);
  if (text.length < end) return null;
  return { message: { head, body: text.slice(start, end), trailers: [] }, end };
}

function parseChunks(text: string, start: number, head: readonly string[]): Parsed | null {
  let body = '';
  for (let at = start; ; ) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) {
      // An empty line ends the trailers, at once if there are none.
      const end = text.indexOf('\r\n\r\n', lineEnd);
      if (end === -1) return null;
      const trailers = text.slice(lineEnd + 2, Math.max(lineEnd + 2, end)).split('\r\n');
      return {
        message: { head, body, trailers: trailers.filter((line) => line !== '') },
        end: end + 4,
      };
    }
    const data = lineEnd + 2;
    if (text.length < data + size + 2) return null;
    body += text.slice(data, data + size);
    at = data + size + 2;
  }
}
