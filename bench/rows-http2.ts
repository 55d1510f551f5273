// The rows of the benchmark over HTTP/2.

import {
  grpcMessage,
  STREAM_MESSAGE_BYTES,
  STREAM_MESSAGES,
  UNARY_BYTES,
} from './load/grpc-sizes.ts';
import { get, plain, type Row, type Shape } from './rows.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const unary = grpcMessage(UNARY_BYTES);
const streamed = grpcMessage(STREAM_MESSAGE_BYTES);

const http2: Shape = { ...plain, clients: 'http2', backend: 'files-http2' };
const grpc: Shape = { ...http2, backend: 'grpc' };
const tls: Shape = { ...http2, tls: 'server', backend: 'files-http2-tls' };

const load = {
  kind: 'http2',
  path: '/',
  connections: 8,
  streams: 16,
  answerBytes: KIB,
  body: null,
  messages: 1,
} as const;
const call = { ...load, path: '/bench.Echo/Call', answerBytes: unary.length, body: unary };

export const http2Rows: readonly Row[] = [
  { name: 'h2', title: 'HTTP/2, 1 KiB, 8 connections x 16 streams', shape: http2, load },
  {
    name: 'h2-1x100',
    title: 'HTTP/2, 1 x 100',
    shape: http2,
    load: { ...load, connections: 1, streams: 100 },
  },
  {
    name: 'h2-64x1',
    title: 'HTTP/2, 64 x 1',
    shape: http2,
    load: { ...load, connections: 64, streams: 1 },
  },
  {
    name: 'h2-paced',
    title: 'HTTP/2, 8 x 16, 16,000 per second offered',
    shape: http2,
    load: { kind: 'paced', connections: 8, streams: 16, perSecond: 16_000 },
  },
  {
    name: 'h2-64k',
    title: 'HTTP/2, 64 KiB, 8 x 16',
    shape: http2,
    load: { ...load, path: '/64k', answerBytes: 64 * KIB },
  },
  {
    name: 'h2-1m',
    title: 'HTTP/2, 1 MiB, 4 x 4',
    shape: http2,
    load: { ...load, path: '/1m', connections: 4, streams: 4, answerBytes: MIB },
  },
  { name: 'h2-tls', title: 'HTTP/2, 1 KiB, TLS on both hops, 8 x 16', shape: tls, load },
  {
    name: 'h2-tls-64k',
    title: 'HTTP/2, 64 KiB, TLS on both hops',
    shape: tls,
    load: { ...load, path: '/64k', answerBytes: 64 * KIB },
  },
  {
    name: 'h1-h2',
    title: 'HTTP/1 to HTTP/2, 1 KiB, 64 connections',
    shape: { ...plain, backend: 'files-http2' },
    load: get,
  },
  {
    name: 'h2-h1',
    title: 'HTTP/2 to HTTP/1, 1 KiB, 8 x 16',
    shape: { ...plain, clients: 'http2' },
    load,
  },
  { name: 'grpc', title: 'gRPC unary, 8 x 16', shape: grpc, load: call },
  {
    name: 'grpc-pair',
    title: 'gRPC unary through a pair with mTLS, 8 x 16',
    shape: { ...grpc, pair: true },
    load: call,
  },
  {
    name: 'grpc-stream',
    title: 'gRPC server streaming, per message of 1 KiB, 8 x 4',
    shape: { ...http2, backend: 'grpc-stream' },
    load: {
      ...call,
      streams: 4,
      answerBytes: STREAM_MESSAGES * streamed.length,
      messages: STREAM_MESSAGES,
    },
  },
];
