// Stories between node:http2, which is nghttp2, and ours: its encoder to our decoder and ours to its decoder, at the two
// ends of one connection, with tables of any size that change on the way.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { keptFields, type Pair, story, tableBytes } from '../../../../test/fakes/hpack-stories.ts';
import { FRAME_HEADER_BYTES, FrameFlag, FrameType, writeFrameHeader } from '../frames.ts';
import { PREFACE } from '../preface.ts';
import { HpackDecoder, HpackStatus } from './decoder.ts';
import { HpackEncoder, MAX_BLOCK_START_BYTES, maxFieldBytes } from './encoder.ts';

const HEADER_TABLE_SIZE = 1;
const MAX_FRAME_BYTES = 16384;

/** The other end of a node:http2 client: notes what it asked, answers with the lists it was given. */
class RawServer {
  /** Field lists of the requests, and positions of the never-indexed. */
  readonly requests: string[][] = [];
  readonly neverIndexed: (readonly number[])[] = [];
  answers: readonly Pair[][] = [];
  readonly #decoder: HpackDecoder;
  readonly #encoder: HpackEncoder;
  readonly #socket: Duplex;
  #bytes: Buffer = Buffer.alloc(0);
  #block: Buffer = Buffer.alloc(0);
  #skip = PREFACE.length;

  constructor(socket: Duplex, tableBytes: number, huffman: boolean) {
    this.#socket = socket;
    this.#decoder = new HpackDecoder(tableBytes);
    this.#encoder = new HpackEncoder(65536, huffman);
    const settings = Buffer.alloc(6);
    settings.writeUInt16BE(HEADER_TABLE_SIZE, 0);
    settings.writeUInt32BE(tableBytes, 2);
    this.#frame(FrameType.Settings, 0, 0, settings);
    socket.on('data', (data: Buffer) => this.#onData(data));
  }

  #frame(type: number, flags: number, streamId: number, payload: Buffer): void {
    const head = Buffer.alloc(FRAME_HEADER_BYTES);
    writeFrameHeader(head, 0, payload.length, type, flags, streamId);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #onData(data: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    if (this.#bytes.length < this.#skip) return;
    this.#bytes = this.#bytes.subarray(this.#skip);
    this.#skip = 0;
    for (;;) {
      if (this.#bytes.length < FRAME_HEADER_BYTES) return;
      const end = FRAME_HEADER_BYTES + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      const [type = 0, flags = 0] = this.#bytes.subarray(3, 5);
      const payload = this.#bytes.subarray(FRAME_HEADER_BYTES, end);
      this.#onFrame(type, flags, this.#bytes.readUInt32BE(5), payload);
      this.#bytes = this.#bytes.subarray(end);
    }
  }

  #onFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    if (type === FrameType.Settings) {
      if ((flags & FrameFlag.Ack) !== 0) {
        this.#decoder.acknowledgeTableSize();
        return;
      }
      for (let at = 0; at < payload.length; at += 6) {
        if (payload.readUInt16BE(at) !== HEADER_TABLE_SIZE) continue;
        this.#encoder.setPeerTableSize(payload.readUInt32BE(at + 2));
      }
      this.#frame(FrameType.Settings, FrameFlag.Ack, 0, Buffer.alloc(0));
    } else if (type === FrameType.Headers || type === FrameType.Continuation) {
      this.#block = Buffer.concat([this.#block, payload]);
      if ((flags & FrameFlag.EndHeaders) === 0) return;
      const status = this.#decoder.decode(this.#block, 0, this.#block.length, 1e6, 1e9);
      assert.equal(status, HpackStatus.Ok);
      assert.equal(this.#decoder.invalid, '');
      this.#block = Buffer.alloc(0);
      this.requests.push(this.#decoder.fields);
      this.neverIndexed.push(this.#decoder.neverIndexed ?? []);
      this.#answer(streamId, this.answers[this.requests.length - 1] ?? []);
    }
  }

  #answer(streamId: number, pairs: readonly Pair[]): void {
    let most = MAX_BLOCK_START_BYTES + 16;
    for (const [name, value] of pairs) most += maxFieldBytes(name, value);
    const out = Buffer.alloc(most);
    let pos = this.#encoder.beginBlock(out, 0);
    pos = this.#encoder.encodeStatus(out, pos, 200 + (streamId % 50));
    for (const [name, value] of pairs) {
      pos = this.#encoder.encodeField(out, pos, name, value, value.length % 7 === 1);
    }
    for (let at = 0; at < pos; at += MAX_FRAME_BYTES) {
      const end = Math.min(pos, at + MAX_FRAME_BYTES);
      let flags = end === pos ? FrameFlag.EndHeaders : 0;
      if (at === 0) flags |= FrameFlag.EndStream;
      const type = at === 0 ? FrameType.Headers : FrameType.Continuation;
      this.#frame(type, flags, streamId, out.subarray(at, end));
    }
  }
}

/** Nothing twice: node:http2 has its own rules for names that repeat. Nothing that it would not send. */
function sendable(pairs: readonly Pair[]): Pair[] {
  const byName = new Map(keptFields(pairs));
  byName.delete('set-cookie');
  return [...byName];
}

const lists = fc.sample(story, { seed: 7541, numRuns: 40 }).flat().map(sendable);

for (const [ownBytes, deflateBytes] of [
  [4096, 4096],
  [0, 4096],
  [100, 4096],
  [65536, 65536],
] as const) {
  for (const huffman of [false, true]) {
    const how = `our table ${ownBytes}${huffman ? ', Huffman code' : ''}`;
    test(`stories with nghttp2, ${how}`, async () => {
      const [theirs, ours] = duplexPair();
      const server = new RawServer(ours, ownBytes, huffman);
      // Answers are other lists than the requests.
      const answers = lists.map((_, i) => lists[(i * 7 + 3) % lists.length] ?? []);
      server.answers = answers;
      const client = http2.connect('http://story', {
        createConnection: () => theirs,
        maxDeflateDynamicTableSize: deflateBytes,
      });
      const sizes = fc.sample(tableBytes, { seed: 9113, numRuns: 40 });
      for (const [i, pairs] of lists.entries()) {
        if (i % 9 === 4) {
          // Twice before one block, so that the least of them has to be told too.
          client.settings({ headerTableSize: sizes[i % 40] ?? 0 });
          client.settings({ headerTableSize: sizes[(i + 1) % 40] ?? 0 });
        }
        const request = client.request({
          ':path': `/${i % 17}`,
          ...Object.fromEntries(pairs),
          [http2.sensitiveHeaders]: pairs.filter((_, at) => at % 5 === 4).map(([name]) => name),
        });
        const [, , raw] = (await once(request, 'response')) as [unknown, unknown, string[]];
        const expected = [`${200 + ((2 * i + 1) % 50)}`, ...(answers[i] ?? []).flat()];
        assert.deepEqual(raw.slice(1), expected);
        request.resume();
        const asked = server.requests[i] ?? [];
        assert.deepEqual(
          asked
            .slice(0, 8)
            .filter((_, at) => at % 2 === 0)
            .sort(),
          [':authority', ':method', ':path', ':scheme'],
        );
        assert.deepEqual(asked.slice(8), pairs.flat());
        for (const [at] of pairs.entries()) {
          if (at % 5 === 4) assert.ok(server.neverIndexed[i]?.includes(8 + 2 * at));
        }
      }
      client.destroy();
      ours.destroy();
    });
  }
}
