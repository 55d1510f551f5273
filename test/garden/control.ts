// The control of the garden: streams that no proxy may emit, given to the peers directly, with the requests that a
// naive proxy would take them for. If nobody saw other boundaries here, the garden would prove nothing elsewhere.

import { echoOf } from './echo.ts';

export interface ControlCase {
  readonly name: string;
  readonly bytes: Buffer;
  /** As the naive proxy sees it. */
  readonly echoes: readonly string[];
}

function control(name: string, head: string, body: string, echoes: readonly string[]): ControlCase {
  return { name, bytes: Buffer.from(`${head}\r\n${body}`, 'latin1'), echoes };
}

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
const hidden = `0\r\n\r\n${smuggled}`;

export const controls: readonly ControlCase[] = [
  control(
    'CL.TE: the proxy goes by Content-Length',
    `POST /cl-te HTTP/1.1\r\nHost: a\r\nContent-Length: ${hidden.length}\r\nTransfer-Encoding: chunked\r\n`,
    hidden,
    [echoOf('POST', '/cl-te', Buffer.from(hidden))],
  ),
  control(
    'bare LF: the proxy takes two of them for a part of a value',
    `GET /lf HTTP/1.1\r\nHost: a\r\nX: y\n\n${smuggled.slice(0, -2)}`,
    '',
    [echoOf('GET', '/lf', Buffer.alloc(0))],
  ),
  control(
    'two lengths: the proxy sends a body without saying so',
    'POST /no-length HTTP/1.1\r\nHost: a\r\n',
    smuggled,
    [echoOf('POST', '/no-length', Buffer.from(smuggled))],
  ),
];
