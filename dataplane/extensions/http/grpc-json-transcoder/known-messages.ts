// What the well-known messages hold, read from their bytes: Any, Timestamp, Duration, FieldMask. Called by
// json-writer.ts, whose reader stands before the message and is at its end afterwards.

import { durationText, timestampText } from './json-text.ts';
import type { WireReader } from './wire-reader.ts';

const MAX_GROUP_DEPTH = 100;

/** Places of an Any's type_url and value in the reader's buffer; empty ranges where there is none. */
export interface AnyParts {
  readonly urlStart: number;
  readonly urlEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

export function readAny(reader: WireReader): AnyParts {
  let urlStart = 0;
  let urlEnd = 0;
  let valueStart = 0;
  let valueEnd = 0;
  while (reader.at < reader.end && !reader.isBroken) {
    const tag = reader.tag();
    if (tag === 10) {
      urlStart = reader.bytes();
      urlEnd = reader.at;
    } else if (tag === 18) {
      valueStart = reader.bytes();
      valueEnd = reader.at;
    } else reader.skip(tag, MAX_GROUP_DEPTH);
  }
  return { urlStart, urlEnd, valueStart, valueEnd };
}

/** A Timestamp or Duration as its JSON without quotes; text that begins with a space is an error. */
export function readTime(reader: WireReader, isTimestamp: boolean): string {
  let seconds = 0;
  let nanos = 0;
  while (reader.at < reader.end && !reader.isBroken) {
    const tag = reader.tag();
    if (tag === 8) seconds = reader.int64();
    else if (tag === 16) nanos = reader.uint32() | 0;
    else reader.skip(tag, MAX_GROUP_DEPTH);
  }
  return isTimestamp ? timestampText(seconds, nanos) : durationText(seconds, nanos);
}

/** `a_b`, `c` -> `aB,c`. */
export function readFieldMask(reader: WireReader): string {
  const paths: string[] = [];
  while (reader.at < reader.end && !reader.isBroken) {
    const tag = reader.tag();
    if (tag !== 10) {
      reader.skip(tag, MAX_GROUP_DEPTH);
      continue;
    }
    const start = reader.bytes();
    const path = reader.buffer.toString('utf8', start, reader.at);
    paths.push(path.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase()));
  }
  return paths.join(',');
}
