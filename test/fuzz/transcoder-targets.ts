// Fuzz targets of the JSON transcoder: bodies of clients on their way to protobuf, and of upstreams to JSON. Any cut
// gives the same bytes, what was taken is JSON and protobuf for parsers of other authors too, and what was written
// is read back.

import assert from 'node:assert/strict';
import { JsonReader } from '../../dataplane/extensions/http/grpc-json-transcoder/json-reader.ts';
import { JsonWriter } from '../../dataplane/extensions/http/grpc-json-transcoder/json-writer.ts';
import { RequestBody } from '../../dataplane/extensions/http/grpc-json-transcoder/request.ts';
import { RequestMatcher } from '../../dataplane/extensions/http/grpc-json-transcoder/request-match.ts';
import { ResponseBody } from '../../dataplane/extensions/http/grpc-json-transcoder/response.ts';
import { Schema } from '../../dataplane/extensions/http/grpc-json-transcoder/schema.ts';
import { labData, labMessages } from '../fakes/transcoding/lab.ts';
import { everyCut, randomCuts } from './feed.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { FuzzTarget } from './target.ts';

const data = labData();
const schema = new Schema(data.messages, data.enums, false);
const matcher = new RequestMatcher(data, schema);
const reader = new JsonReader(schema, false, false);
const writer = new JsonWriter(schema, data.print);
const all = schema.byName('lab.All')!;
const LIMIT_BYTES = 4096;

function pieces(input: Buffer, cuts: readonly number[]): Buffer[] {
  return [...cuts, input.length].map((cut, i) => input.subarray(i === 0 ? 0 : cuts[i - 1], cut));
}

/** The frames that a body becomes, and why there are no more. */
function request(path: string, parts: readonly Buffer[]): { frames: Buffer; end: string } {
  const match = matcher.match('POST', path);
  assert.ok('binding' in match);
  const body = new RequestBody(match, reader, LIMIT_BYTES, '');
  const frames: Buffer[] = [];
  let isGood = true;
  for (const part of parts) {
    isGood = body.push(part);
    frames.push(body.takeFrames());
    assert.ok(!isGood || body.bytes <= LIMIT_BYTES);
    if (!isGood) break;
  }
  if (isGood) isGood = body.finish();
  frames.push(body.takeFrames());
  const end = isGood ? 'good' : `${body.failure}`;
  return { frames: Buffer.concat(frames), end };
}

function checkText(text: Buffer): void {
  const frame = reader.read(all, text, [], null);
  if (frame === null) {
    assert.notEqual(reader.error, '');
    return;
  }
  if (text.length > 0) JSON.parse(text.toString());
  labMessages('lab.All', frame);
  // A Value may be set to what it cannot be in JSON, and keys may be there twice.
  const written = jsonOf(frame);
  if (written === null) return;
  const again = reader.read(all, written, [], null);
  if (again === null) assert.match(reader.error, /already set/);
  else assert.equal(jsonOf(again)?.toString(), written.toString());
}

function jsonOf(frame: Buffer): Buffer | null {
  writer.out.reset();
  return writer.write(all, frame.subarray(5)) ? writer.out.take() : null;
}

export const transcoderJson: FuzzTarget = {
  name: 'transcoder-json',
  mutate: mutateBytes,
  check(input, random) {
    checkText(input);
    for (const path of ['/echo', '/up', '/upbody/7', '/filter/3']) {
      const whole = request(path, [input]);
      for (const cuts of [everyCut(input.length), randomCuts(input.length, random)]) {
        assert.deepEqual(request(path, pieces(input, cuts)), whole, `${path} ${cuts.join(',')}`);
      }
    }
  },
};

/** The JSON that frames become, and why there is no more. */
function response(path: string, parts: readonly Buffer[]): { text: string; end: string } {
  const match = matcher.match('GET', path);
  assert.ok('binding' in match);
  const { method, httpBodyResponsePath } = match.binding;
  const body = new ResponseBody(
    method,
    httpBodyResponsePath,
    method.isServerStreaming ? schema.message(method.output) : all,
    writer,
    'array',
    LIMIT_BYTES,
  );
  let text = '';
  let isGood = true;
  for (const part of parts) {
    isGood = body.push(part);
    text += body.take().toString('latin1');
    if (!isGood) break;
  }
  if (isGood) isGood = body.finish();
  text += body.take().toString('latin1');
  return { text, end: isGood ? 'good' : `${body.failure} ${body.error}` };
}

export const transcoderProto: FuzzTarget = {
  name: 'transcoder-proto',
  mutate: mutateBytes,
  check(input, random) {
    for (const path of ['/shelves/1', '/down/x', '/download/x', '/downloads/x']) {
      const whole = response(path, [input]);
      const isJson = !path.startsWith('/download');
      if (isJson && whole.end === 'good' && whole.text !== '') {
        JSON.parse(Buffer.from(whole.text, 'latin1').toString());
      }
      for (const cuts of [everyCut(input.length), randomCuts(input.length, random)]) {
        assert.deepEqual(response(path, pieces(input, cuts)), whole, `${path} ${cuts.join(',')}`);
      }
    }
  },
};
