// The four messages of the xDS streams, read and written by hand: names, versions and bytes. Both ends of
// the wire use it. Resources stay encoded (proto/any.ts decodes them later, or never), which any generic
// decoder would not do. Bytes may be hostile: decoding throws, nothing else; work is linear in the bytes.
// Fields that neither end of ours uses (resource_locators, canary...) are skipped.

import { isUtf8 } from 'node:buffer';
import protobuf from 'protobufjs/minimal.js';
import { unpooled } from './json-scalar.ts';

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

/** gRPC paths of the aggregated discovery service. */
export const adsPath = {
  sotw: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
  delta: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
} as const;

/** An Any that stays encoded. */
export interface AnyBytes {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** google.rpc.Status of a NACK; `code` is a gRPC status code, never 0 in practice. */
export interface ErrorDetail {
  readonly code: number;
  readonly message: string;
}

/** What both requests have. */
export interface RequestBase {
  /**
   * Encoded core.v3.Node; null when absent (only a stream's first request must have it). A view of the message:
   * Envoy sends its 60 KB with every request.
   */
  readonly node: Uint8Array | null;
  readonly typeUrl: string;
  readonly responseNonce: string;
  /** Present = NACK; nothing else says so. */
  readonly errorDetail: ErrorDetail | null;
}

/** discovery.v3.DiscoveryRequest (state of the world). */
export interface DiscoveryRequest extends RequestBase {
  readonly versionInfo: string;
  readonly resourceNames: readonly string[];
}

/** discovery.v3.DiscoveryResponse. */
export interface DiscoveryResponse {
  readonly versionInfo: string;
  readonly resources: readonly AnyBytes[];
  readonly typeUrl: string;
  readonly nonce: string;
  /** control_plane.identifier; '' when absent. */
  readonly controlPlane: string;
}

/** discovery.v3.DeltaDiscoveryRequest. */
export interface DeltaDiscoveryRequest extends RequestBase {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name -> version; only in a type's first request on a stream. */
  readonly initialResourceVersions: ReadonlyMap<string, string>;
}

/** discovery.v3.Resource. `resource` null = heartbeat (nothing but the TTL is renewed). */
export interface ResourceBytes {
  readonly name: string;
  readonly version: string;
  /** Other names that it answers to (VHDS); absent = none. */
  readonly aliases?: readonly string[];
  /** Time to live; absent = without end. */
  readonly ttlMs?: number;
  readonly resource: AnyBytes | null;
}

/** discovery.v3.ResourceError: why there is nothing under that name (gRFC A88). */
export interface ResourceErrorDetail {
  readonly name: string;
  readonly error: ErrorDetail;
}

/** discovery.v3.DeltaDiscoveryResponse. */
export interface DeltaDiscoveryResponse {
  readonly systemVersionInfo: string;
  readonly resources: readonly ResourceBytes[];
  readonly typeUrl: string;
  readonly removedResources: readonly string[];
  /** Absent = none. */
  readonly resourceErrors?: readonly ResourceErrorDetail[];
  readonly nonce: string;
  readonly controlPlane: string;
}

const MS_PER_SECOND = 1000;
const NS_PER_MS = 1e6;
const resourceTypeName = 'envoy.service.discovery.v3.Resource';

/** In SotW a resource may come inside a discovery.v3.Resource, which names it; this takes it out. */
export function unwrapResource(any: AnyBytes): ResourceBytes | null {
  if (!any.typeUrl.endsWith(`/${resourceTypeName}`)) return null;
  return readResource(any.value);
}

// --- decoding; each throws on malformed bytes ---

export function decodeDiscoveryRequest(bytes: Uint8Array): DiscoveryRequest {
  const resourceNames: string[] = [];
  const message = { ...requestBase(), versionInfo: '', resourceNames };
  readFields(bytes, (field, reader) => {
    if (field === 1) message.versionInfo = text(reader);
    else if (field === 2) message.node = reader.bytes();
    else if (field === 3) resourceNames.push(text(reader));
    else if (field === 4) message.typeUrl = text(reader);
    else if (field === 5) message.responseNonce = text(reader);
    else if (field === 6) message.errorDetail = readStatus(reader.bytes());
    else return false;
    return true;
  });
  return message;
}

export function decodeDeltaDiscoveryRequest(bytes: Uint8Array): DeltaDiscoveryRequest {
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const initialResourceVersions = new Map<string, string>();
  const message = { ...requestBase(), subscribe, unsubscribe, initialResourceVersions };
  readFields(bytes, (field, reader) => {
    if (field === 1) message.node = reader.bytes();
    else if (field === 2) message.typeUrl = text(reader);
    else if (field === 3) subscribe.push(text(reader));
    else if (field === 4) unsubscribe.push(text(reader));
    else if (field === 5) readVersion(reader.bytes(), initialResourceVersions);
    else if (field === 6) message.responseNonce = text(reader);
    else if (field === 7) message.errorDetail = readStatus(reader.bytes());
    else return false;
    return true;
  });
  return message;
}

export function decodeDiscoveryResponse(bytes: Uint8Array): DiscoveryResponse {
  const resources: AnyBytes[] = [];
  const message = { versionInfo: '', resources, typeUrl: '', nonce: '', controlPlane: '' };
  readFields(bytes, (field, reader) => {
    if (field === 1) message.versionInfo = text(reader);
    else if (field === 2) resources.push(readAny(reader.bytes()));
    else if (field === 4) message.typeUrl = text(reader);
    else if (field === 5) message.nonce = text(reader);
    else if (field === 6) message.controlPlane = readIdentifier(reader.bytes());
    else return false;
    return true;
  });
  return message;
}

export function decodeDeltaDiscoveryResponse(bytes: Uint8Array): DeltaDiscoveryResponse {
  const resources: ResourceBytes[] = [];
  const removedResources: string[] = [];
  const resourceErrors: ResourceErrorDetail[] = [];
  const message = {
    systemVersionInfo: '',
    resources,
    typeUrl: '',
    removedResources,
    resourceErrors,
    nonce: '',
    controlPlane: '',
  };
  readFields(bytes, (field, reader) => {
    if (field === 1) message.systemVersionInfo = text(reader);
    else if (field === 2) resources.push(readResource(reader.bytes()));
    else if (field === 4) message.typeUrl = text(reader);
    else if (field === 5) message.nonce = text(reader);
    else if (field === 6) removedResources.push(text(reader));
    else if (field === 7) message.controlPlane = readIdentifier(reader.bytes());
    else if (field === 9) resourceErrors.push(readResourceError(reader.bytes()));
    else return false;
    return true;
  });
  return message;
}

interface MutableRequestBase {
  node: Uint8Array | null;
  typeUrl: string;
  responseNonce: string;
  errorDetail: ErrorDetail | null;
}

function requestBase(): MutableRequestBase {
  return { node: null, typeUrl: '', responseNonce: '', errorDetail: null };
}

/** Every field that we read is length-delimited but Status.code; others are skipped, known or not. */
function readFields(
  bytes: Uint8Array,
  onBytes: (field: number, reader: Reader) => boolean,
  onVarint: (field: number, reader: Reader) => boolean = () => false,
): void {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const wireType = tag & 7;
    const field = tag >>> 3;
    if (field === 0) throw new RangeError('field number 0');
    if (wireType === 2 && onBytes(field, reader)) continue;
    if (wireType === 0 && onVarint(field, reader)) continue;
    reader.skipType(wireType, 0, field);
  }
}

function text(reader: Reader): string {
  const bytes = reader.bytes();
  if (!isUtf8(bytes)) throw new Error('a string is not valid UTF-8');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function readAny(bytes: Uint8Array): AnyBytes {
  const any: { typeUrl: string; value: Uint8Array } = { typeUrl: '', value: new Uint8Array() };
  readFields(bytes, (field, reader) => {
    if (field === 1) any.typeUrl = text(reader);
    // A copy: resources live long, and must not keep the whole response's buffer.
    else if (field === 2) any.value = unpooled(reader.bytes());
    else return false;
    return true;
  });
  return any;
}

function readResource(bytes: Uint8Array): ResourceBytes {
  const message = { name: '', version: '', resource: null as AnyBytes | null };
  const aliases: string[] = [];
  let ttlMs: number | undefined;
  readFields(bytes, (field, reader) => {
    if (field === 1) message.version = text(reader);
    else if (field === 2) message.resource = readAny(reader.bytes());
    else if (field === 3) message.name = text(reader);
    else if (field === 4) aliases.push(text(reader));
    else if (field === 6) ttlMs = readDurationMs(reader.bytes());
    else return false;
    return true;
  });
  return {
    ...message,
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
}

/** google.protobuf.Duration. */
function readDurationMs(bytes: Uint8Array): number {
  let ms = 0;
  readFields(
    bytes,
    () => false,
    (field, reader) => {
      if (field === 1) ms += Number(reader.int64().toString()) * MS_PER_SECOND;
      else if (field === 2) ms += reader.int32() / NS_PER_MS;
      else return false;
      return true;
    },
  );
  return ms;
}

function readResourceError(bytes: Uint8Array): ResourceErrorDetail {
  let name = '';
  let error: ErrorDetail = { code: 0, message: '' };
  readFields(bytes, (field, reader) => {
    // Both ResourceName and ControlPlane begin with their text.
    if (field === 1) name = readIdentifier(reader.bytes());
    else if (field === 2) error = readStatus(reader.bytes());
    else return false;
    return true;
  });
  return { name, error };
}

function readStatus(bytes: Uint8Array): ErrorDetail {
  const status = { code: 0, message: '' };
  readFields(
    bytes,
    (field, reader) => {
      if (field !== 2) return false;
      status.message = text(reader);
      return true;
    },
    (field, reader) => {
      if (field !== 1) return false;
      status.code = reader.int32();
      return true;
    },
  );
  return status;
}

function readIdentifier(bytes: Uint8Array): string {
  let identifier = '';
  readFields(bytes, (field, reader) => {
    if (field !== 1) return false;
    identifier = text(reader);
    return true;
  });
  return identifier;
}

function readVersion(bytes: Uint8Array, into: Map<string, string>): void {
  let name = '';
  let version = '';
  readFields(bytes, (field, reader) => {
    if (field === 1) name = text(reader);
    else if (field === 2) version = text(reader);
    else return false;
    return true;
  });
  into.set(name, version);
}

// --- encoding ---

export function encodeDiscoveryRequest(request: DiscoveryRequest): Buffer {
  const writer = protobuf.Writer.create();
  string(writer, 1, request.versionInfo);
  if (request.node !== null) writer.uint32(tag(2)).bytes(request.node);
  strings(writer, 3, request.resourceNames);
  string(writer, 4, request.typeUrl);
  string(writer, 5, request.responseNonce);
  if (request.errorDetail !== null) status(writer, 6, request.errorDetail);
  return finish(writer);
}

export function encodeDeltaDiscoveryRequest(request: DeltaDiscoveryRequest): Buffer {
  const writer = protobuf.Writer.create();
  if (request.node !== null) writer.uint32(tag(1)).bytes(request.node);
  string(writer, 2, request.typeUrl);
  strings(writer, 3, request.subscribe);
  strings(writer, 4, request.unsubscribe);
  for (const [name, version] of request.initialResourceVersions) {
    writer.uint32(tag(5)).fork();
    string(writer, 1, name);
    string(writer, 2, version);
    writer.ldelim();
  }
  string(writer, 6, request.responseNonce);
  if (request.errorDetail !== null) status(writer, 7, request.errorDetail);
  return finish(writer);
}

export function encodeDiscoveryResponse(response: DiscoveryResponse): Buffer {
  const writer = protobuf.Writer.create();
  string(writer, 1, response.versionInfo);
  for (const any of response.resources) writeAny(writer, 2, any);
  string(writer, 4, response.typeUrl);
  string(writer, 5, response.nonce);
  writeIdentifier(writer, 6, response.controlPlane);
  return finish(writer);
}

export function encodeDeltaDiscoveryResponse(response: DeltaDiscoveryResponse): Buffer {
  const writer = protobuf.Writer.create();
  string(writer, 1, response.systemVersionInfo);
  for (const { name, version, aliases, ttlMs, resource } of response.resources) {
    writer.uint32(tag(2)).fork();
    string(writer, 1, version);
    if (resource !== null) writeAny(writer, 2, resource);
    string(writer, 3, name);
    if (aliases !== undefined) strings(writer, 4, aliases);
    if (ttlMs !== undefined) writeDurationMs(writer, 6, ttlMs);
    writer.ldelim();
  }
  string(writer, 4, response.typeUrl);
  string(writer, 5, response.nonce);
  strings(writer, 6, response.removedResources);
  writeIdentifier(writer, 7, response.controlPlane);
  for (const { name, error } of response.resourceErrors ?? []) {
    writer.uint32(tag(9)).fork();
    writeIdentifier(writer, 1, name);
    status(writer, 2, error);
    writer.ldelim();
  }
  return finish(writer);
}

function writeDurationMs(writer: Writer, field: number, ms: number): void {
  writer.uint32(tag(field)).fork();
  writer.uint32(8).int64(Math.trunc(ms / MS_PER_SECOND));
  writer.uint32(16).int32(Math.round((ms % MS_PER_SECOND) * NS_PER_MS));
  writer.ldelim();
}

/** Of a length-delimited field. */
function tag(field: number): number {
  return (field << 3) | 2;
}

function string(writer: Writer, field: number, value: string): void {
  if (value !== '') writer.uint32(tag(field)).string(value);
}

function strings(writer: Writer, field: number, values: readonly string[]): void {
  for (const value of values) writer.uint32(tag(field)).string(value);
}

function writeAny(writer: Writer, field: number, { typeUrl, value }: AnyBytes): void {
  writer.uint32(tag(field)).fork();
  string(writer, 1, typeUrl);
  if (value.length > 0) writer.uint32(tag(2)).bytes(value);
  writer.ldelim();
}

function status(writer: Writer, field: number, { code, message }: ErrorDetail): void {
  writer.uint32(tag(field)).fork();
  if (code !== 0) writer.uint32(8).int32(code);
  string(writer, 2, message);
  writer.ldelim();
}

function writeIdentifier(writer: Writer, field: number, identifier: string): void {
  if (identifier === '') return;
  writer.uint32(tag(field)).fork();
  string(writer, 1, identifier);
  writer.ldelim();
}

function finish(writer: Writer): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
