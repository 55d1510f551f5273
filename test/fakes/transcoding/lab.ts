// The transcoder's test services (lab.proto), as a compiled config and as protobufjs types, which read the same
// .proto file on their own.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import { frameHeader } from '../../../dataplane/extensions/_shared/grpc/frame-scanner.ts';
import type { GrpcJsonTranscoderData } from '../../../dataplane/extensions/http/grpc-json-transcoder/data.ts';
import { httpFilterData } from '../config.ts';

export const TRANSCODER_TYPE =
  'envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder';
const directory = dirname(fileURLToPath(import.meta.url));
/** What protoc made of lab.proto. */
export const labDescriptorPath = join(directory, 'lab.pb');

/** The config half's answer to the lab's services and these further fields in YAML. */
export function labData(fields = ''): GrpcJsonTranscoderData {
  const bytes = readFileSync(labDescriptorPath).toString('base64');
  const body = `proto_descriptor_bin: "${bytes}", services: [lab.Lab]`;
  // The filter's own config half made it.
  return httpFilterData(
    TRANSCODER_TYPE,
    fields === '' ? body : `${body}, ${fields}`,
  ) as GrpcJsonTranscoderData;
}

const packages = createRequire(import.meta.url);
const includes = [
  join(dirname(packages.resolve('@grpc/grpc-js-xds/package.json')), 'deps/googleapis'),
  dirname(packages.resolve('protobufjs/package.json')),
];

/** lab.proto as protobufjs reads it. */
export function labRoot(): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    if (target.endsWith('lab.proto')) return join(directory, 'lab.proto');
    if (protobuf.common.get(target) !== null) return target;
    const base = target.startsWith('google/api') ? includes[0] : includes[1];
    return join(base ?? '', target);
  };
  root.loadSync('lab.proto', { keepCase: true });
  root.resolveAll();
  return root;
}

const root = labRoot();

/** A message of the lab as an upstream would write it, in a frame. */
export function labFrame(type: string, plain: object): Buffer {
  const message = root.lookupType(type);
  const bytes = message.encode(message.fromObject(plain)).finish();
  return Buffer.concat([frameHeader(0, bytes.length), bytes]);
}

/** What frames hold, in protobufjs's plain form. */
export function labMessages(type: string, frames: Buffer): object[] {
  const message = root.lookupType(type);
  const plain: object[] = [];
  for (let at = 0; at < frames.length; ) {
    const end = at + 5 + frames.readUInt32BE(at + 1);
    const decoded = message.decode(frames.subarray(at + 5, end));
    plain.push(message.toObject(decoded, { longs: String, bytes: String, enums: String }));
    at = end;
  }
  return plain;
}
