// Mutations of HTTP/1 messages: half of them know lines, headers, numbers and chunks, the others only bytes.
// A mutated input is mostly still a message; that is where parsers disagree.

import type { SeededRandom } from './random.ts';

/** Longer inputs only cost time: limits have their own rows. */
const MAX_INPUT_BYTES = 200_000;

type Mutation = (text: string, random: SeededRandom, other: string) => string;

const framingLines = [
  'Content-Length: 0',
  'Content-Length: 5',
  'Content-Length: 05',
  'Content-Length: 5, 5',
  'Content-Length:',
  'Content-Length : 5',
  'Content-Length: 99',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding:chunked',
  'Transfer-Encoding: CHUNKED ',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: x\x0bchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  'Transfer_Encoding: chunked',
  'Connection: close',
  'Connection: Content-Length',
  'Connection: Transfer-Encoding, keep-alive',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'HTTP2-Settings: AAMAAABkAAQAAP__',
  'Expect: 100-continue',
  'Host: b',
  'Host: a:80',
  'TE: trailers',
  'Trailer: Content-Length',
  'X: \r\n y',
];

const fragments = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\n\n',
  '\r',
  '\r\r\n',
  '\0',
  '\x0b',
  '\x7f',
  '\x80',
  '\xa0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0\r\n\r\n',
  '0\r\n',
  '5\r\nhello\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /smuggled HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'X: ',
  'http://b/',
  '#',
  '%00',
  '%0d%0a',
];

const numbers = [
  '0',
  '1',
  '4',
  '5',
  '6',
  '00',
  '-1',
  '+1',
  '0x1',
  '1e1',
  '10',
  '100',
  'ff',
  'FFFFFFFF',
  '4294967301',
];
numbers.push(
  '9007199254740993',
  '18446744073709551621',
  'ffffffffffffffff',
  '100000000000000005',
  ' 5',
  '5 ',
  '5;',
);

/** Where each line of the text begins. */
function lineStarts(text: string): number[] {
  const starts = [0];
  for (
    let at = text.indexOf('\n');
    at !== -1 && starts.length < 400;
    at = text.indexOf('\n', at + 1)
  ) {
    starts.push(at + 1);
  }
  return starts;
}

function splice(text: string, at: number, remove: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at + remove);
}

function lineAt(text: string, random: SeededRandom): { start: number; end: number } {
  const start = random.pick(lineStarts(text));
  const next = text.indexOf('\n', start);
  return { start, end: next === -1 ? text.length : next + 1 };
}

/** All matches of a global pattern, at most 400. */
function places(text: string, pattern: RegExp): { at: number; length: number }[] {
  const found: { at: number; length: number }[] = [];
  for (const match of text.matchAll(pattern)) {
    found.push({ at: match.index, length: match[0].length });
    if (found.length === 400) break;
  }
  return found;
}

function replaceOne(text: string, pattern: RegExp, random: SeededRandom, insert: string): string {
  const found = places(text, pattern);
  if (found.length === 0) return text;
  const { at, length } = random.pick(found);
  return splice(text, at, length, insert);
}

const mutations: readonly Mutation[] = [
  // A line twice, a line gone, two lines exchanged.
  (text, random) => {
    const { start, end } = lineAt(text, random);
    return splice(text, end, 0, text.slice(start, end));
  },
  (text, random) => {
    const { start, end } = lineAt(text, random);
    return splice(text, start, end - start, '');
  },
  (text, random) => {
    const { start, end } = lineAt(text, random);
    const line = text.slice(start, end);
    const without = splice(text, start, end - start, '');
    return splice(without, random.pick(lineStarts(without)), 0, line);
  },
  // A line that frames, somewhere in a head.
  (text, random) => {
    const starts = lineStarts(text);
    const at = starts[1 + random.below(Math.min(6, starts.length))] ?? text.length;
    return splice(text, at, 0, `${random.pick(framingLines)}\r\n`);
  },
  // Line ends.
  (text, random) => replaceOne(text, /\r\n/g, random, '\n'),
  (text, random) =>
    replaceOne(
      text,
      /\r\n/g,
      random,
      random.pick(['\r', '\r\r\n', '\n\r', '\r\n\r\n', ' \r\n', '\r\n ', '']),
    ),
  // Numbers: lengths, chunk sizes, versions, ports.
  (text, random) =>
    replaceOne(text, /[0-9]+|(?<=\n)[0-9a-fA-F]{1,16}(?=[\r;])/g, random, random.pick(numbers)),
  // A separator with something beside it.
  (text, random) =>
    replaceOne(
      text,
      /[:,; ]/g,
      random,
      random.pick([' :', ':\t', ':\x0b', ': ', ',,', '  ', '\t', '\0', ';']),
    ),
  // The case of a word.
  (text, random) => {
    const found = places(text, /[A-Za-z-]{3,}/g);
    if (found.length === 0) return text;
    const { at, length } = random.pick(found);
    const word = text.slice(at, at + length);
    return splice(text, at, length, random.oneIn(2) ? word.toUpperCase() : word.toLowerCase());
  },
  (text, random) => splice(text, random.below(text.length + 1), 0, random.pick(fragments)),
  // Two messages in one.
  (text, random, other) =>
    text.slice(0, random.below(text.length + 1)) + other.slice(random.below(other.length + 1)),
  (text, random, other) => splice(text, random.pick(lineStarts(text)), 0, other),
  (text, _random, other) => text + other,
  // Plain bytes.
  (text, random) =>
    splice(text, random.below(text.length + 1), 0, String.fromCharCode(random.below(256))),
  (text, random) =>
    splice(text, random.below(text.length + 1), 1, String.fromCharCode(random.below(256))),
  (text, random) => splice(text, random.below(text.length + 1), 1 + random.below(8), ''),
  (text, random) => text.slice(0, random.below(text.length + 1)),
  // A stretch many times: limits.
  (text, random) => {
    const { start, end } = lineAt(text, random);
    return splice(
      text,
      start,
      0,
      text.slice(start, Math.min(end, start + 200)).repeat(1 + random.below(150)),
    );
  },
];

/** One to four mutations of `input`; `other` is another corpus entry to splice with. */
export function mutateHttp1(input: Buffer, other: Buffer, random: SeededRandom): Buffer {
  let text = input.toString('latin1');
  const otherText = other.toString('latin1');
  for (let left = 1 + random.below(4); left > 0; left--)
    text = random.pick(mutations)(text, random, otherText);
  return Buffer.from(text.slice(0, MAX_INPUT_BYTES), 'latin1');
}
