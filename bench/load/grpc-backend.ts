// `grpc-backend.ts UNARY_PORT STREAM_PORT`: a gRPC server in raw frames. Each call on the first port is answered
// with one message, each on the second with STREAM_MESSAGES of them; every answer and every streamed message is a
// write of its own, as of a server that works on each call by itself: one that answers in batches would
// make every proxy before it look several times cheaper.

import net from 'node:net';
import {
  ACK,
  DEFAULT_WINDOW,
  END_HEADERS,
  END_STREAM,
  FrameReader,
  FrameType,
  frame,
  HEADER_TABLE_SIZE_ID,
  INITIAL_WINDOW_SIZE_ID,
  literal,
  openingFrames,
  PREFACE,
  settingOf,
  windowUpdate,
} from './frames.ts';
import { grpcMessage, STREAM_MESSAGE_BYTES, STREAM_MESSAGES, UNARY_BYTES } from './grpc-sizes.ts';

const STATUS_200 = 0x88;
// The second of the two fields that the first answer put into the dynamic table, and the first.
const INDEXED_TRAILER = 0xbe;
const INDEXED_CONTENT_TYPE = 0xbf;
const DYNAMIC_TABLE_OFF = 0x20;
const CREDIT_STEP = 1 << 20;

interface Call {
  readonly id: number;
  left: number;
  window: number;
}

const [unaryPort, streamPort] = process.argv.slice(2);

function serve(messages: number, message: Buffer) {
  return (socket: net.Socket) => {
    const calls = new Map<number, Call>();
    let connectionWindow = DEFAULT_WINDOW;
    let streamWindow = DEFAULT_WINDOW;
    let uncredited = 0;
    let hasAnswered = false;
    let hasTable = true;
    let isPrefaced = false;

    // As real servers do: what is said again is in the dynamic table, unless the peer has none (NGINX).
    const headers = () => {
      if (hasAnswered && hasTable) return Buffer.from([STATUS_200, INDEXED_CONTENT_TYPE]);
      const start = hasTable || hasAnswered ? [STATUS_200] : [DYNAMIC_TABLE_OFF, STATUS_200];
      const type = literal('content-type', 'application/grpc', hasTable);
      return Buffer.concat([Buffer.from(start), type]);
    };
    const trailers = () => {
      if (hasAnswered && hasTable) return Buffer.from([INDEXED_TRAILER]);
      hasAnswered = true;
      return literal('grpc-status', '0', hasTable);
    };

    /** Sends as much of a call as its windows let through; true = it is done. */
    const advance = (call: Call): boolean => {
      while (call.left > 0) {
        if (connectionWindow < message.length || call.window < message.length) return false;
        connectionWindow -= message.length;
        call.window -= message.length;
        const isFirst = call.left === messages;
        call.left--;
        const parts = [frame(FrameType.Data, 0, call.id, message)];
        if (isFirst) parts.unshift(frame(FrameType.Headers, END_HEADERS, call.id, headers()));
        if (call.left === 0) {
          parts.push(frame(FrameType.Headers, END_HEADERS | END_STREAM, call.id, trailers()));
        }
        socket.write(parts.length === 1 ? parts[0]! : Buffer.concat(parts));
      }
      return true;
    };
    const begin = (id: number) => {
      const call = { id, left: messages, window: streamWindow };
      if (!advance(call)) calls.set(id, call);
    };

    const reader = new FrameReader((type, flags, id, payload) => {
      switch (type) {
        case FrameType.Headers:
          if ((flags & END_STREAM) !== 0) begin(id);
          break;
        case FrameType.Data:
          uncredited += payload.length;
          if (uncredited >= CREDIT_STEP) {
            socket.write(windowUpdate(0, uncredited));
            uncredited = 0;
          }
          if ((flags & END_STREAM) !== 0) begin(id);
          break;
        case FrameType.Settings: {
          if ((flags & ACK) !== 0) break;
          if (settingOf(payload, HEADER_TABLE_SIZE_ID) === 0) hasTable = false;
          const wanted = settingOf(payload, INITIAL_WINDOW_SIZE_ID) ?? streamWindow;
          for (const call of calls.values()) call.window += wanted - streamWindow;
          streamWindow = wanted;
          socket.write(frame(FrameType.Settings, ACK, 0, Buffer.alloc(0)));
          break;
        }
        case FrameType.Ping:
          if ((flags & ACK) === 0) socket.write(frame(FrameType.Ping, ACK, 0, payload));
          break;
        case FrameType.WindowUpdate: {
          const call = calls.get(id);
          if (call !== undefined) call.window += payload.readUInt32BE();
          if (id === 0) connectionWindow += payload.readUInt32BE();
          for (const one of calls.values()) {
            if (advance(one)) calls.delete(one.id);
          }
          break;
        }
        case FrameType.RstStream:
          calls.delete(id);
          break;
      }
    });

    let opening: Buffer = Buffer.alloc(0);
    socket.write(openingFrames());
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      if (isPrefaced) {
        reader.push(chunk);
        return;
      }
      opening = Buffer.concat([opening, chunk]);
      if (opening.length < PREFACE.length) return;
      isPrefaced = true;
      reader.push(opening.subarray(PREFACE.length));
    });
  };
}

const options = { noDelay: true };
const unary = net.createServer(options, serve(1, grpcMessage(UNARY_BYTES)));
const stream = net.createServer(options, serve(STREAM_MESSAGES, grpcMessage(STREAM_MESSAGE_BYTES)));
unary.listen(Number(unaryPort), '127.0.0.1', 4096);
stream.listen(Number(streamPort), '127.0.0.1', 4096);
