// A gRPC client that is configured by xDS (grpc-js with @grpc/grpc-js-xds), for the interop tests. The same commands and
// answers as those of ../go and ../python: lines of JSON on stdin and stdout.

import { createInterface } from 'node:readline';
import { type ChannelCredentials, Client, credentials, Metadata } from '@grpc/grpc-js';
import { register, XdsChannelCredentials } from '@grpc/grpc-js-xds';

interface CallCommand {
  readonly id: number;
  readonly op: 'call' | 'start' | 'stop';
  readonly target: string;
  readonly method: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly count: number;
  readonly deadlineMs: number;
  readonly pauseMs: number;
}

interface Tally {
  readonly answers: Record<string, number>;
  readonly errors: Record<string, number>;
}

register();
const clients = new Map<string, Client>();
const identity = (bytes: Buffer): Buffer => bytes;

function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function channelCredentials(): ChannelCredentials {
  const plain = credentials.createInsecure();
  return process.env['XDS_CREDENTIALS'] === undefined ? plain : new XdsChannelCredentials(plain);
}

function clientOf(target: string): Client {
  let client = clients.get(target);
  if (client === undefined) {
    client = new Client(target, channelCredentials());
    clients.set(target, client);
  }
  return client;
}

function call(command: CallCommand, tally: Tally): Promise<void> {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(command.metadata ?? {})) metadata.set(key, value);
  const deadline = new Date(Date.now() + command.deadlineMs);
  const bytes = Buffer.alloc(0);
  return new Promise((resolve) => {
    clientOf(command.target).makeUnaryRequest(
      command.method,
      identity,
      identity,
      bytes,
      metadata,
      { deadline },
      (error, value) => {
        const [counts, key] =
          error === null
            ? [tally.answers, String(value)]
            : [tally.errors, `${error.code} ${error.details}`];
        counts[key] = (counts[key] ?? 0) + 1;
        resolve();
      },
    );
  });
}

let repeating: { timer: NodeJS.Timeout; tally: Tally; calls: Promise<void>[] } | null = null;

async function take(command: CallCommand): Promise<void> {
  const tally: Tally = { answers: {}, errors: {} };
  switch (command.op) {
    case 'call':
      for (let i = 0; i < command.count; i++) await call(command, tally);
      tell({ id: command.id, ...tally });
      break;
    case 'start': {
      const calls: Promise<void>[] = [];
      const timer = setInterval(() => calls.push(call(command, tally)), command.pauseMs);
      repeating = { timer, tally, calls };
      tell({ id: command.id, answers: {}, errors: {} });
      break;
    }
    case 'stop':
      if (repeating === null) return;
      clearInterval(repeating.timer);
      await Promise.all(repeating.calls);
      tell({ id: command.id, ...repeating.tally });
      break;
  }
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    void take(JSON.parse(line) as CallCommand);
  })
  .on('close', () => process.exit(0));
