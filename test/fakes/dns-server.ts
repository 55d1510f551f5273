// A name server on 127.0.0.1 whose answers a test sets: addresses with a TTL, no such name, failure, silence. UDP, and
// TCP for what does not fit. A and AAAA only.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server } from 'node:net';

export type DnsAnswer =
  | { readonly kind: 'addresses'; readonly ips: readonly string[]; readonly ttlS: number }
  | { readonly kind: 'nxdomain' }
  | { readonly kind: 'servfail' }
  /** The question is never answered. */
  | { readonly kind: 'silence' };

const HEADER_BYTES = 12;
const UDP_BYTES = 512;
const TYPE_A = 1;
const TYPE_AAAA = 28;
const rcodes = { addresses: 0, nxdomain: 3, servfail: 2, silence: 0 } as const;

export class FakeDnsServer implements AsyncDisposable {
  /** By name, lower case, without the dot at the end. Any other name does not exist. */
  readonly answers = new Map<string, DnsAnswer>();
  /** Names that were asked for, A questions only, in order. */
  readonly questions: string[] = [];
  port = 0;
  readonly #udp: Socket;
  readonly #tcp: Server;

  private constructor() {
    this.#udp = createSocket('udp4', (query, peer) => this.#onDatagram(query, peer));
    this.#tcp = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      let received = Buffer.alloc(0);
      socket.on('data', (data) => {
        received = Buffer.concat([received, data]);
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          const end = 2 + received.readUInt16BE(0);
          const reply = this.#answer(received.subarray(2, end), 0xffff, false);
          received = received.subarray(end);
          if (reply === null) continue;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        }
      });
    });
  }

  static async start(): Promise<FakeDnsServer> {
    for (;;) {
      const server = new FakeDnsServer();
      server.#udp.bind(0, '127.0.0.1');
      await once(server.#udp, 'listening');
      server.port = server.#udp.address().port;
      try {
        // The same port number must be free for TCP as well.
        await new Promise<void>((resolve, reject) => {
          server.#tcp.once('error', reject);
          server.#tcp.listen(server.port, '127.0.0.1', resolve);
        });
        return server;
      } catch {
        server.#udp.close();
      }
    }
  }

  set(name: string, ips: readonly string[], ttlS = 1): void {
    this.answers.set(name, { kind: 'addresses', ips, ttlS });
  }

  /** `socket_address` of it, for a bootstrap. */
  get address(): string {
    return `{socket_address: {address: 127.0.0.1, port_value: ${this.port}}}`;
  }

  /** typed_dns_resolver_config that asks nobody else. */
  get resolverConfig(): string {
    const type = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
    return `{name: envoy.network.dns_resolver.cares, typed_config: {"@type": type.googleapis.com/${type}, resolvers: [${this.address}], dns_resolver_options: {no_default_search_domain: true}}}`;
  }

  asked(name: string): number {
    return this.questions.filter((asked) => asked === name).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#udp.close();
    this.#tcp.close();
    await once(this.#tcp, 'close');
  }

  #onDatagram(query: Buffer, peer: RemoteInfo): void {
    const reply = this.#answer(query, UDP_BYTES, true);
    if (reply !== null) this.#udp.send(reply, peer.port, peer.address);
  }

  /** What does not fit into `maxBytes` goes without answers, truncated. */
  #answer(query: Buffer, maxBytes: number, isCounted: boolean): Buffer | null {
    const labels: string[] = [];
    let at = HEADER_BYTES;
    while (query[at] !== 0) {
      const length = query[at]!;
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = query.readUInt16BE(at + 1);
    const question = query.subarray(HEADER_BYTES, at + 5);
    const name = labels.join('.').toLowerCase();
    if (isCounted && type === TYPE_A) this.questions.push(name);
    const answer = this.answers.get(name) ?? { kind: 'nxdomain' };
    if (answer.kind === 'silence') return null;
    const records = answer.kind === 'addresses' ? recordsOf(answer, type) : [];
    const size = HEADER_BYTES + question.length + records.reduce((sum, one) => sum + one.length, 0);
    const isTruncated = size > maxBytes;
    const header = Buffer.alloc(HEADER_BYTES);
    query.copy(header, 0, 0, 2);
    // QR, AA, RD as asked, RA; TC where it does not fit.
    header.writeUInt16BE(0x8480 | (isTruncated ? 0x0200 : 0) | rcodes[answer.kind], 2);
    header[2]! |= query[2]! & 1;
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(isTruncated ? 0 : records.length, 6);
    return Buffer.concat([header, question, ...(isTruncated ? [] : records)]);
  }
}

function recordsOf(answer: DnsAnswer & { kind: 'addresses' }, type: number): Buffer[] {
  const wanted = answer.ips.filter((ip) => (isIPv6(ip) ? TYPE_AAAA : TYPE_A) === type);
  return wanted.map((ip) => {
    const address = isIPv6(ip) ? ipv6Bytes(ip) : Buffer.from(ip.split('.').map(Number));
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc000 | HEADER_BYTES, 0); // the name of the question
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(answer.ttlS, 6);
    record.writeUInt16BE(address.length, 10);
    return Buffer.concat([record, address]);
  });
}

function ipv6Bytes(ip: string): Buffer {
  const [head = '', tail = ''] = ip.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const bytes = Buffer.alloc(16);
  [...before, ...zeros, ...after].forEach((group, i) => {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  });
  return bytes;
}
