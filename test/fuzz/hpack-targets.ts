// Fuzz targets of HPACK: our decoder beside one written plainly from the RFC, and our encoder read by both.

import assert from 'node:assert/strict';
import { HpackDecoder, HpackStatus } from '../../dataplane/http/h2/hpack/decoder.ts';
import {
  HpackEncoder,
  MAX_BLOCK_START_BYTES,
  maxFieldBytes,
} from '../../dataplane/http/h2/hpack/encoder.ts';
import { ModelDecoder, type ModelField } from '../fakes/hpack-model.ts';
import { mutateBytes } from './mutate-bytes.ts';
import { mutateHttp1 } from './mutate-http1.ts';
import type { SeededRandom } from './random.ts';
import type { FuzzTarget } from './target.ts';

const NO_LIMIT = 1e9;

/** RFC 9113 8.2.1, said otherwise than in the decoder; pseudo names may be any token. */
const goodName = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const goodValue = /^([!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?)?$/;

/** The blocks of one connection: each with its length before it in 16 bits; the last may be cut. */
function blocksOf(input: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at + 2 <= input.length; ) {
    const end = at + 2 + input.readUInt16BE(at);
    blocks.push(input.subarray(at + 2, end));
    at = end;
  }
  return blocks;
}

function modelFields(model: ModelDecoder, block: Buffer): ModelField[] | null {
  try {
    return model.decode(block);
  } catch {
    // A compression error, whichever.
    return null;
  }
}

/** What the decoder gives up of a value (RFC 9110 5.5: spaces and tabs at its ends are no part of it). */
function withoutOuterSpace(value: string): string {
  return value.replace(/^[ \t]+/, '').replace(/(?<![ \t])[ \t]+$/, '');
}

export const hpackDecoder: FuzzTarget = {
  name: 'hpack-decoder',
  mutate: mutateBytes,
  check(input, random) {
    const tableBytes = random.pick([0, 4096, 65536]);
    const decoder = new HpackDecoder(tableBytes);
    const model = new ModelDecoder(tableBytes);
    const limited = new HpackDecoder(tableBytes);
    for (const block of blocksOf(input)) {
      const expected = modelFields(model, block);
      const status = decoder.decode(block, 0, block.length, NO_LIMIT, NO_LIMIT);
      assert.equal(status === HpackStatus.Ok, expected !== null);
      // A list that is too large is decoded to its end, or the tables would differ from here on.
      const maxFields = random.below(20);
      const maxBytes = random.below(1000);
      assert.equal(limited.decode(block, 0, block.length, maxFields, maxBytes), status);
      if (expected === null) return;
      assert.deepEqual(
        decoder.fields,
        expected.flatMap(({ name, value }) => [name, withoutOuterSpace(value)]),
      );
      const bytes = expected.reduce((sum, f) => sum + f.name.length + f.value.length + 32, 0);
      assert.equal(decoder.listBytes, bytes);
      assert.equal(decoder.fieldCount, expected.length);
      const never = expected.flatMap(({ neverIndexed }, i) => (neverIndexed ? [2 * i] : []));
      assert.deepEqual(decoder.neverIndexed ?? [], never);
      const isBad = expected.some(
        (f) =>
          !goodName.test(f.name) ||
          !goodValue.test(withoutOuterSpace(f.value)) ||
          (f.name[0] === ':' && withoutOuterSpace(f.value) !== f.value),
      );
      assert.equal(decoder.invalid !== '', isBad);
      if (!isBad) {
        const hasUnderscore = expected.some((f) => f.name[0] !== ':' && f.name.includes('_'));
        assert.equal(decoder.hasUnderscore, hasUnderscore);
      }
      assert.equal(limited.listBytes, bytes);
      assert.equal(limited.overflow, expected.length > maxFields || bytes > maxBytes);
      assert.deepEqual(limited.fields, decoder.fields.slice(0, limited.fields.length));
      if (!limited.overflow) assert.equal(limited.fields.length, decoder.fields.length);
    }
  },
};

/** Lines of a list: `name: value`, `!name: value` = never indexed, `=123` = the peer's table size. */
const LINE = /^(!?)([!#$%&'*+\-.^_`|~0-9a-z:]+): (.*)$/s;

export const hpackEncoder: FuzzTarget = {
  name: 'hpack-encoder',
  mutate: mutateHttp1,
  check(input, random) {
    const encoder = new HpackEncoder(random.pick([0, 100, 4096, 65536]), random.oneIn(2));
    const decoder = new HpackDecoder(65536);
    const model = new ModelDecoder(65536);
    for (const text of input.toString('latin1').split('\r\n\r\n')) {
      const lines = text.split('\r\n');
      for (const line of lines) {
        if (/^=\d{1,9}$/.test(line)) encoder.setPeerTableSize(Number(line.slice(1)));
      }
      const fields = lines.flatMap((line) => {
        const [, mark = '', name = '', value = ''] = LINE.exec(line) ?? [];
        return name === '' ? [] : [{ name, value, neverIndexed: mark === '!' }];
      });
      for (let again = 0; again < 2; again++) {
        const { block, written } = encodeList(encoder, fields, random);
        assert.equal(decoder.decode(block, 0, block.length, NO_LIMIT, NO_LIMIT), HpackStatus.Ok);
        assert.deepEqual(
          decoder.fields,
          written.flatMap(({ name, value }) => [name, withoutOuterSpace(value)]),
        );
        const read = model.decode(block);
        assert.deepEqual(
          read.map(({ name, value }) => [name, value]),
          written.map(({ name, value }) => [name, value]),
        );
        for (const [i, field] of written.entries()) {
          if (field.neverIndexed) assert.equal(read[i]?.neverIndexed, true);
        }
      }
    }
  },
};

/** `written`: what was not left out. */
function encodeList(
  encoder: HpackEncoder,
  fields: readonly ModelField[],
  random: SeededRandom,
): { block: Buffer; written: ModelField[] } {
  const room = fields.reduce((sum, f) => sum + maxFieldBytes(f.name, f.value), 0);
  const start = random.below(4);
  const out = Buffer.alloc(start + MAX_BLOCK_START_BYTES + room);
  const written: ModelField[] = [];
  let pos = encoder.beginBlock(out, start);
  for (const field of fields) {
    const { name, value } = field;
    const before = pos;
    pos = encoder.encodeField(out, pos, name, value, field.neverIndexed);
    assert.ok(pos - before <= maxFieldBytes(name, value), `${pos - before} bytes`);
    if (pos > before) written.push(field);
    else
      assert.ok(/^(te|host|upgrade|http2-settings|[a-z-]*(connection|encoding|alive))$/.test(name));
  }
  return { block: out.subarray(start, pos), written };
}
