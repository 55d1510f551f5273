// Discovery responses put together from resources that are encoded already: one encoding of a resource serves
// every stream that gets it, in both protocols. Called by controlplane/ads. Field numbers as in discovery.ts.
//
//   Resource field of a DeltaDiscoveryResponse, and inside it the resources field of a DiscoveryResponse:
//   | 0x12 length | version 1 | 0x12 length Any{type_url, value} | name 3 | aliases 4 |
//                             '------- SotW: the same tag -------'

import protobuf from 'protobufjs/minimal.js';

type Writer = protobuf.Writer;

/** Views into one buffer; immutable. */
export interface EncodedResource {
  /** A whole `resources` entry of a DeltaDiscoveryResponse. */
  readonly delta: Uint8Array;
  /** A whole `resources` entry of a DiscoveryResponse. */
  readonly sotw: Uint8Array;
  /** The message alone. */
  readonly value: Uint8Array;
}

export interface ResourceParts {
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
  readonly aliases: readonly string[];
}

const RESOURCE_TYPE_URL = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

export function encodeResource(resource: ResourceParts): EncodedResource {
  const { name, version, typeUrl, value, aliases } = resource;
  const head = protobuf.Writer.create();
  string(head, 1, version);
  const headBytes = head.finish();
  const anyHead = protobuf.Writer.create();
  string(anyHead, 1, typeUrl);
  if (value.length > 0) anyHead.uint32(tag(2)).uint32(value.length);
  const anyHeadBytes = anyHead.finish();
  const tail = protobuf.Writer.create();
  string(tail, 3, name);
  for (const alias of aliases) tail.uint32(tag(4)).string(alias);
  const tailBytes = tail.finish();

  const anyPrefix = lengthPrefix(anyHeadBytes.length + value.length);
  const sotwLength = anyPrefix.length + anyHeadBytes.length + value.length;
  const prefix = lengthPrefix(headBytes.length + sotwLength + tailBytes.length);
  const delta = Buffer.concat([prefix, headBytes, anyPrefix, anyHeadBytes, value, tailBytes]);
  const sotwStart = prefix.length + headBytes.length;
  const sotw = delta.subarray(sotwStart, sotwStart + sotwLength);
  return { delta, sotw, value: sotw.subarray(sotwLength - value.length) };
}

/** A delta `resources` entry with a TTL; `value` null = heartbeat, which renews the TTL and nothing else. */
export function encodeResourceWithTtl(
  resource: Omit<ResourceParts, 'value'> & { readonly value: Uint8Array | null },
  ttlMs: number,
): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(tag(2)).fork();
  writeResource(writer, resource, ttlMs);
  writer.ldelim();
  return writer.finish();
}

/** The same for SotW: the Resource itself in an Any. */
export function encodeWrappedResource(
  resource: Omit<ResourceParts, 'value'> & { readonly value: Uint8Array | null },
  ttlMs: number,
): Uint8Array {
  const inner = protobuf.Writer.create();
  writeResource(inner, resource, ttlMs);
  const writer = protobuf.Writer.create();
  writer.uint32(tag(2)).fork();
  writeAny(writer, RESOURCE_TYPE_URL, inner.finish());
  writer.ldelim();
  return writer.finish();
}

/** A delta entry with a name and no content: VHDS's word for a host that there is not. */
export function encodeUnknownResource(name: string): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32(tag(2)).fork();
  string(writer, 3, name);
  writer.uint32(tag(4)).string(name);
  writer.ldelim();
  return writer.finish();
}

/** `resources`: entries made above, each with its tag. */
export function spliceDiscoveryResponse(response: {
  readonly versionInfo: string;
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly nonce: string;
  readonly controlPlane: string;
}): Buffer {
  const head = protobuf.Writer.create();
  string(head, 1, response.versionInfo);
  const tail = protobuf.Writer.create();
  string(tail, 4, response.typeUrl);
  string(tail, 5, response.nonce);
  writeIdentifier(tail, 6, response.controlPlane);
  return Buffer.concat([head.finish(), ...response.resources, tail.finish()]);
}

export function spliceDeltaDiscoveryResponse(response: {
  readonly systemVersionInfo: string;
  readonly resources: readonly Uint8Array[];
  readonly typeUrl: string;
  readonly removedResources: readonly string[];
  readonly nonce: string;
  readonly controlPlane: string;
}): Buffer {
  const head = protobuf.Writer.create();
  string(head, 1, response.systemVersionInfo);
  const tail = protobuf.Writer.create();
  string(tail, 4, response.typeUrl);
  string(tail, 5, response.nonce);
  for (const name of response.removedResources) tail.uint32(tag(6)).string(name);
  writeIdentifier(tail, 7, response.controlPlane);
  return Buffer.concat([head.finish(), ...response.resources, tail.finish()]);
}

function writeResource(
  writer: Writer,
  resource: Omit<ResourceParts, 'value'> & { readonly value: Uint8Array | null },
  ttlMs: number,
): void {
  const { name, version, typeUrl, value, aliases } = resource;
  string(writer, 1, version);
  if (value !== null) {
    writer.uint32(tag(2)).fork();
    writeAny(writer, typeUrl, value);
    writer.ldelim();
  }
  string(writer, 3, name);
  for (const alias of aliases) writer.uint32(tag(4)).string(alias);
  writer.uint32(tag(6)).fork();
  const seconds = Math.floor(ttlMs / 1000);
  const nanos = Math.round((ttlMs - seconds * 1000) * 1e6);
  if (seconds > 0) writer.uint32(8).int64(seconds);
  if (nanos > 0) writer.uint32(16).int32(nanos);
  writer.ldelim();
}

function writeAny(writer: Writer, typeUrl: string, value: Uint8Array): void {
  string(writer, 1, typeUrl);
  if (value.length > 0) writer.uint32(tag(2)).bytes(value);
}

function writeIdentifier(writer: Writer, field: number, identifier: string): void {
  if (identifier === '') return;
  writer.uint32(tag(field)).fork();
  string(writer, 1, identifier);
  writer.ldelim();
}

/** Tag of field 2 and the length of what follows. */
function lengthPrefix(length: number): Uint8Array {
  return protobuf.Writer.create().uint32(tag(2)).uint32(length).finish();
}

/** Of a length-delimited field. */
function tag(field: number): number {
  return (field << 3) | 2;
}

function string(writer: Writer, field: number, value: string): void {
  if (value !== '') writer.uint32(tag(field)).string(value);
}
