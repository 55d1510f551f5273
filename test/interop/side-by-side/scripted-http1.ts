// An HTTP/1.1 upstream that answers by script and a client that writes in pieces, both raw: for tests that compare what
// two proxies make of the same bytes.

import net from 'node:net';
import { isWholeMessage } from '../../fakes/raw-message.ts';

/** A piece of an answer: the upstream hangs up. */
export const CLOSE = '(close)';

/** Between the pieces that one side writes, so that the other reads them one by one. */
const PIECE_GAP_MS = 25;
const TIMEOUT_MS = 3000;

async function writePieces(socket: net.Socket, pieces: readonly string[]): Promise<void> {
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, PIECE_GAP_MS));
    if (piece === CLOSE) socket.destroy();
    else socket.write(Buffer.from(piece, 'latin1'));
  }
}

/** Answers every whole request with the next answer, the last one for all that follow. */
export class ScriptedUpstream {
  answers: readonly (readonly string[])[] = [];
  seen = '';
  #next = 0;
  readonly #server = net.createServer((socket) => {
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (!isWholeMessage(received)) return;
      this.seen += received;
      received = '';
      const pieces = this.answers[Math.min(this.#next++, this.answers.length - 1)] ?? [];
      void writePieces(socket, pieces);
    });
  });

  script(answers: readonly (readonly string[])[]): void {
    this.answers = answers;
    this.seen = '';
    this.#next = 0;
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as net.AddressInfo).port; // it listens on TCP
  }

  close(): void {
    this.#server.close();
  }
}

/** Writes the pieces and reads one whole response; what came until then if there is none. */
export async function callRaw(port: number, pieces: readonly string[]): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let text = '';
  const whole = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, TIMEOUT_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (isWholeMessage(text)) done();
    });
    socket.on('close', done);
  });
  await writePieces(socket, pieces);
  await whole;
  socket.destroy();
  return text;
}
