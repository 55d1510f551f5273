// Sends bytes over one connection and collects the responses until the other side closes.

import net from 'node:net';

export interface Answer {
  readonly status: number;
  /** x-echo of the response; null = the server made the answer up itself. */
  readonly echo: string | null;
}

export interface Conversation {
  readonly answers: readonly Answer[];
  /** False: it was still open when the time was over. */
  readonly closed: boolean;
  readonly localPort: number;
}

/** Empty echoes and error pages contain no status line, so looking for those is enough, whatever the framing. */
const responseHead = /HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n/g;

function answersIn(text: string): Answer[] {
  return [...text.matchAll(responseHead)]
    .map((match) => ({
      status: Number(match[1]),
      echo: /^x-echo: (.*?) *\r$/im.exec(match[2] ?? '')?.[1] ?? null,
    }))
    .filter(({ status }) => status >= 200 || status === 101);
}

/** `halfClose`: says that nothing follows; for streams that end in the middle of a request. */
export function converse(
  port: number,
  bytes: Buffer,
  halfClose: boolean,
  timeoutMs: number,
): Promise<Conversation> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    let localPort = 0;
    let closed = true;
    const timer = setTimeout(() => {
      closed = false;
      socket.destroy();
    }, timeoutMs);
    socket.on('connect', () => {
      localPort = socket.localPort ?? 0;
    });
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => {}); // closed while we wrote: 'close' follows
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      const answers = answersIn(Buffer.concat(chunks).toString('latin1'));
      resolve({ answers, closed, localPort });
    });
    if (halfClose) socket.end(bytes);
    else socket.write(bytes);
  });
}
