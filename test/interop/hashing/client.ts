// Sends many requests over few connections, pipelined, and tells what came back for each. Ten thousand take about a
// second: it is the proxies that the time goes to.

import net from 'node:net';

const CONNECTIONS = 4;
const MOST_UNANSWERED = 32;

/** One response head. */
export interface Answer {
  readonly status: number;
  /** `x-host`, '' = none. */
  readonly host: string;
  /** All `x-host`. */
  readonly hosts: readonly string[];
  readonly setCookies: readonly string[];
}

/**
 * `heads`: request heads without their last empty line. `from`: the client's address. Answers in the same
 * order; bodies are ignored.
 */
export async function sendAll(
  port: number,
  heads: readonly string[],
  from = '127.0.0.1',
): Promise<Answer[]> {
  const answers = new Array<Answer>(heads.length);
  const runs = Array.from({ length: Math.min(CONNECTIONS, heads.length) }, (_, first) =>
    sendEvery({ port, host: '127.0.0.1', localAddress: from }, heads, first, answers),
  );
  await Promise.all(runs);
  return answers;
}

/** Heads `first`, `first` + CONNECTIONS, ... over one connection. */
function sendEvery(
  to: net.TcpNetConnectOpts,
  heads: readonly string[],
  first: number,
  answers: Answer[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(to);
    socket.setNoDelay(true);
    let sent = first;
    let received = first;
    let text = '';
    const sendMore = (): void => {
      let batch = '';
      while (sent < heads.length && (sent - received) / CONNECTIONS < MOST_UNANSWERED) {
        batch += `${heads[sent]!}\r\n\r\n`;
        sent += CONNECTIONS;
      }
      if (batch !== '') socket.write(batch, 'latin1');
    };
    socket.once('connect', sendMore);
    socket.once('error', reject);
    socket.once('close', () => {
      if (received < heads.length)
        reject(new Error(`connection closed before request ${received}`));
      else resolve();
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        const end = text.indexOf('\r\n\r\n');
        if (end === -1) break;
        const head = text.slice(0, end);
        const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0);
        if (text.length < end + 4 + length) break;
        text = text.slice(end + 4 + length);
        answers[received] = answerOf(head);
        received += CONNECTIONS;
      }
      if (received >= heads.length) socket.end();
      else if ((sent - received) / CONNECTIONS < MOST_UNANSWERED / 2) sendMore();
    });
  });
}

function answerOf(head: string): Answer {
  return {
    status: Number(head.slice(9, 12)),
    host: /\r\nx-host: (.*)/.exec(head)?.[1] ?? '',
    hosts: [...head.matchAll(/\r\nx-host: (.*)/g)].map((match) => match[1]!),
    setCookies: [...head.matchAll(/\r\nset-cookie: (.*)/g)].map((match) => match[1]!),
  };
}
