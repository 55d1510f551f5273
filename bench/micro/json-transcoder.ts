// What one message costs between JSON and protobuf, ours beside protobufjs with its ProtoJSON: nanoseconds of
// CPU per message. `node bench/micro/json-transcoder.ts [seconds per case]`. Results at the end of the file.

import protojson from 'protobufjs/ext/protojson.js';
import { JsonReader } from '../../dataplane/extensions/http/grpc-json-transcoder/json-reader.ts';
import { JsonWriter } from '../../dataplane/extensions/http/grpc-json-transcoder/json-writer.ts';
import { Schema } from '../../dataplane/extensions/http/grpc-json-transcoder/schema.ts';
import { labData, labRoot } from '../../test/fakes/transcoding/lab.ts';

const seconds = Number(process.argv[2] ?? 0.6);
const data = labData();
const schema = new Schema(data.messages, data.enums, false);
const type = schema.byName('lab.Shelf')!;
const reader = new JsonReader(schema, false, false);
const writer = new JsonWriter(schema, data.print);
const theirs = labRoot().lookupType('lab.Shelf');

function measure(name: string, run: () => number): void {
  let sum = 0;
  for (let i = 0; i < 5000; i++) sum += run();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    let count = 0;
    const start = process.cpuUsage();
    let elapsed = 0;
    while (elapsed < (seconds * 1000) / 3) {
      for (let i = 0; i < 200; i++) sum += run();
      count += 200;
      const { user, system } = process.cpuUsage(start);
      elapsed = (user + system) / 1000;
    }
    best = Math.min(best, (elapsed * 1e6) / count);
  }
  console.log(`${name.padEnd(34)} ${best.toFixed(0).padStart(7)} ns${sum === -1 ? '!' : ''}`);
}

for (const tags of [2, 100]) {
  const json = Buffer.from(
    JSON.stringify({
      id: '17',
      theme: 'a theme of some words',
      tags: Array.from({ length: tags }, (_, i) => `tag number ${i}`),
      color: 'RED',
      inner: { name: 'inner', id: '9007199254740993', inner: { name: 'innermost' } },
    }),
  );
  const message = reader.read(type, json, [], null)!.subarray(5);
  const size = `${json.length} bytes of JSON`;
  measure(`ours, to protobuf, ${size}`, () => reader.read(type, json, [], null)!.length);
  measure(`protobufjs, to protobuf, ${size}`, () => {
    const parsed: unknown = JSON.parse(json.toString());
    return theirs.encode(protojson.fromJson(theirs, parsed)).finish().length;
  });
  measure(`ours, to JSON, ${size}`, () => {
    writer.write(type, message);
    return writer.out.take().length;
  });
  measure(`protobufjs, to JSON, ${size}`, () =>
    Buffer.byteLength(JSON.stringify(protojson.toJson(theirs, theirs.decode(message)))),
  );
}

// Node 24.21, 2 vCPU that others used too, Nov 2026, ours / protobufjs, ns of CPU:
//   174 bytes of JSON    to protobuf 2700 /  9200    to JSON  1100 /  4500
//   1734 bytes of JSON   to protobuf 9000 / 43800    to JSON 11300 / 21900
// Heap of either with the types of that test: 0.8 MB / 2.9 MB, per worker.
